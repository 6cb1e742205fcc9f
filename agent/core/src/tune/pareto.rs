//! Which of several results no other beats, and how they lie among each other. Less is better everywhere.

/// A part of a whole, in fixed point.
const WHOLE: u32 = 20;

/// Whether one is nowhere worse than the other, and somewhere better.
#[must_use]
pub fn dominates(one: &[u64], other: &[u64]) -> bool {
    let pairs = || one.iter().zip(other);
    pairs().all(|(one, other)| one <= other) && pairs().any(|(one, other)| one < other)
}

/// Those that no other dominates, in their order.
#[must_use]
pub fn front<C: AsRef<[u64]>>(all: &[C]) -> Vec<usize> {
    let beaten = |one: &C| {
        let mut others = all.iter();
        others.any(|other| dominates(other.as_ref(), one.as_ref()))
    };
    (0..all.len()).filter(|one| !beaten(&all[*one])).collect()
}

/// In which front each stands: 0 for those that none dominates, 1 for those that only these dominate, and so on.
///
/// Fast non-dominated sorting: Deb, Pratap, Agarwal, Meyarivan, *A fast and elitist multiobjective genetic
/// algorithm: NSGA-II*, IEEE Transactions on Evolutionary Computation 6 (2), 2002, III.A.
pub(super) fn ranks<C: AsRef<[u64]>>(all: &[C]) -> Vec<usize> {
    let indices = 0..all.len();
    let beats = |one: usize| {
        let others = indices.clone();
        let beaten = others.filter(move |other| dominates(all[one].as_ref(), all[*other].as_ref()));
        beaten.collect::<Vec<_>>()
    };
    let beats: Vec<_> = indices.clone().map(beats).collect();
    let mut left = vec![0_usize; all.len()];
    for other in beats.iter().flatten() {
        left[*other] += 1;
    }
    let mut ranks = vec![0; all.len()];
    let mut present: Vec<_> = indices.filter(|one| left[*one] == 0).collect();
    let mut rank = 0;
    while !present.is_empty() {
        let mut next = Vec::new();
        for one in present {
            ranks[one] = rank;
            for other in &beats[one] {
                left[*other] -= 1;
                if left[*other] == 0 {
                    next.push(*other);
                }
            }
        }
        present = next;
        rank += 1;
    }
    ranks
}

/// How much room each has to its neighbours, summed over the goals; those at an end have all of it. III.B there.
pub(super) fn crowding<C: AsRef<[u64]>>(all: &[C]) -> Vec<u64> {
    let mut room = vec![0_u64; all.len()];
    let goals = all.first().map_or(0, |one| one.as_ref().len());
    for goal in 0..goals {
        let cost = |one: usize| all[one].as_ref()[goal];
        let mut order: Vec<_> = (0..all.len()).collect();
        order.sort_by_key(|one| (cost(*one), *one));
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else {
            continue;
        };
        let span = cost(last) - cost(first);
        for one in order.windows(3) {
            let gap = part(cost(one[2]) - cost(one[0]), span);
            room[one[1]] = room[one[1]].saturating_add(gap);
        }
        room[first] = u64::MAX;
        room[last] = u64::MAX;
    }
    room
}

/// The one that is nearest to having the best of each goal at once, every goal's range counting as much as every
/// other's: compromise programming (Zeleny 1973). `None` of nothing.
#[must_use]
pub fn knee<C: AsRef<[u64]>>(all: &[C]) -> Option<usize> {
    let goals = all.first()?.as_ref().len();
    let ranges: Vec<_> = (0..goals)
        .map(|goal| {
            let costs = || all.iter().map(|one| one.as_ref()[goal]);
            let least = costs().min().unwrap_or(0);
            (least, costs().max().unwrap_or(0) - least)
        })
        .collect();
    let distance = |one: &C| -> u128 {
        let costs = one.as_ref().iter().zip(&ranges);
        let parts = costs.map(|(cost, (least, span))| u128::from(part(cost - least, *span)));
        parts.map(|part| part * part).sum()
    };
    (0..all.len()).min_by_key(|one| distance(&all[*one]))
}

/// So many of them at the most, in their order: of those that are not to be kept anyway, the one that has the
/// least room to its neighbours goes first.
#[must_use]
pub fn thin<C: AsRef<[u64]>>(all: &[C], most: usize, keep: &[usize]) -> Vec<usize> {
    let mut left: Vec<_> = (0..all.len()).collect();
    while left.len() > most {
        let costs: Vec<_> = left.iter().map(|one| all[*one].as_ref()).collect();
        let room = crowding(&costs);
        let mut places = (0..left.len()).filter(|place| !keep.contains(&left[*place]));
        let Some(first) = places.next() else { break };
        let least = places.fold(first, |least, place| {
            if room[place] < room[least] {
                place
            } else {
                least
            }
        });
        left.remove(least);
    }
    left
}

/// A gap as a part of a span, in fixed point; none of none.
fn part(gap: u64, span: u64) -> u64 {
    let part = (u128::from(gap) << WHOLE).checked_div(u128::from(span));
    u64::try_from(part.unwrap_or(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_that_is_better_somewhere_is_not_dominated() {
        assert!(dominates(&[1, 2], &[1, 3]));
        assert!(!dominates(&[1, 3], &[1, 3]));
        assert!(!dominates(&[0, 4], &[1, 3]));
    }

    #[test]
    fn fronts_lie_behind_each_other() {
        let all = [[1, 4], [2, 2], [4, 1], [2, 4], [4, 4], [2, 2]];
        assert_eq!(ranks(&all), [0, 0, 0, 1, 2, 0]);
        assert_eq!(front(&all), [0, 1, 2, 5]);
    }

    #[test]
    fn ends_have_all_the_room() {
        // The gaps of the second are 6 of 10 and 8 of 10.
        let all = [[0_u64, 10], [4, 4], [6, 2], [10, 0]];
        let one = |part: u64| (part << WHOLE) / 10;
        let wanted = [u64::MAX, one(6) + one(8), one(6) + one(4), u64::MAX];
        assert_eq!(crowding(&all), wanted);
        assert_eq!(thin(&all, 3, &[]), [0, 1, 3]);
        assert_eq!(thin(&all, 3, &[2]), [0, 2, 3]);
        assert_eq!(thin(&all, 1, &[1, 2]), [1, 2]);
    }

    #[test]
    fn the_knee_counts_ranges_and_not_units() {
        let all = [[0, 1_000_000], [1, 100_000], [9, 90_000], [10, 0]];
        assert_eq!(knee(&all), Some(1));
        assert_eq!(knee::<[u64; 2]>(&[]), None);
    }

    fn some() -> impl Strategy<Value = Vec<Vec<u64>>> {
        prop::collection::vec(prop::collection::vec(0_u64..20, 3), 1..40)
    }

    proptest! {
        #[test]
        fn nobody_on_the_front_is_dominated_and_everybody_else_is(all in some()) {
            let front = front(&all);
            prop_assert!(!front.is_empty());
            for (index, one) in all.iter().enumerate() {
                let beaten = front.iter().any(|other| dominates(&all[*other], one));
                prop_assert_eq!(front.contains(&index), !beaten);
            }
        }

        #[test]
        fn ranks_are_one_more_than_those_of_who_dominates(all in some()) {
            let ranks = ranks(&all);
            for (index, one) in all.iter().enumerate() {
                let above = all.iter().zip(&ranks).filter(|(other, _)| dominates(other, one));
                let wanted = above.map(|(_, rank)| rank + 1).max().unwrap_or(0);
                prop_assert_eq!(ranks[index], wanted);
            }
        }

        #[test]
        fn the_knee_is_on_the_front(all in some()) {
            let knee = knee(&all).unwrap();
            prop_assert!(front(&all).contains(&knee));
        }
    }
}
