//! NSGA-II on a grid: who asks is given points, tells what they cost, and asks again.
//!
//! Deb and others 2002, as cited in `pareto.rs`: ranks and crowding choose who lives on, and who has children. Of its
//! operators, which are for real numbers, children here take each position from either parent and move some by a few
//! places. No point is asked for twice: what a point costs is known, and to learn it is what takes the time.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::pareto::{crowding, front, ranks};

/// A position on each axis.
pub type Point = Vec<u32>;

/// What a point costs by each goal; less is better.
pub type Costs = Vec<u64>;

/// Children that are tried for one that is not known yet, and then places anywhere.
const ATTEMPTS: [u32; 2] = [16, 64];

/// A search that has come so far.
#[derive(Clone, Debug)]
pub struct Search {
    /// How many positions each axis has.
    axes: Vec<u32>,
    start: Point,
    population: usize,
    random: Rng,
    known: BTreeMap<Point, Costs>,
    /// Those that live, the best first.
    living: Vec<Point>,
}

impl Search {
    /// Over axes with so many positions each, from a point that is among the first to be asked for.
    #[must_use]
    pub fn new(axes: Vec<u32>, start: Point, population: usize, seed: u64) -> Self {
        Self {
            axes,
            start,
            population: population.max(2),
            random: Rng::with_seed(seed),
            known: BTreeMap::new(),
            living: Vec::new(),
        }
    }

    /// The points of the next generation, so many at the most, each of them new. `mend` makes one that may not be
    /// into one that may. None are left when nothing new is found.
    pub fn ask(&mut self, most: usize, mend: &dyn Fn(&mut Point)) -> Vec<Point> {
        let mut asked = BTreeSet::new();
        let mut points = Vec::new();
        while points.len() < self.population.min(most) {
            let Some(point) = self.fresh(&asked, mend) else {
                break;
            };
            asked.insert(point.clone());
            points.push(point);
        }
        points
    }

    /// What points cost. Of them and those that live, the best live on.
    pub fn tell(&mut self, found: impl IntoIterator<Item = (Point, Costs)>) {
        for (point, costs) in found {
            if self.known.insert(point.clone(), costs).is_none() {
                self.living.push(point);
            }
        }
        let known = &self.known;
        let costs = |point: &Point| known.get(point).map_or(&[][..], Vec::as_slice);
        let all: Vec<_> = self.living.iter().map(costs).collect();
        let ranks = ranks(&all);
        let mut order: Vec<(usize, u64, usize)> = Vec::with_capacity(all.len());
        for rank in 0..=ranks.iter().copied().max().unwrap_or(0) {
            let members: Vec<_> = (0..all.len()).filter(|one| ranks[*one] == rank).collect();
            let costs: Vec<_> = members.iter().map(|one| all[*one]).collect();
            let room = crowding(&costs).into_iter().map(|room| u64::MAX - room);
            order.extend(
                members
                    .iter()
                    .zip(room)
                    .map(|(one, room)| (rank, room, *one)),
            );
        }
        order.sort_unstable();
        let living = order.iter().take(self.population);
        self.living = living.map(|(.., one)| self.living[*one].clone()).collect();
    }

    /// All that is known, by point.
    #[must_use]
    pub const fn known(&self) -> &BTreeMap<Point, Costs> {
        &self.known
    }

    /// Of all that is known, what nothing dominates, by point.
    #[must_use]
    pub fn front(&self) -> Vec<(&Point, &Costs)> {
        let all: Vec<_> = self.known.iter().collect();
        let costs: Vec<_> = all.iter().map(|(_, costs)| costs).collect();
        front(&costs).into_iter().map(|one| all[one]).collect()
    }

    fn fresh(&mut self, asked: &BTreeSet<Point>, mend: &dyn Fn(&mut Point)) -> Option<Point> {
        let [children, all] = ATTEMPTS;
        for attempt in 0..all {
            let mut point = match attempt {
                0 if !self.known.contains_key(&self.start) && asked.is_empty() => {
                    self.start.clone()
                }
                // Of the first generation every other one is a neighbour of the start.
                _ if self.living.is_empty() && asked.len() % 2 == 1 => {
                    self.moved(&self.start.clone())
                }
                _ if self.living.is_empty() || attempt >= children => self.anywhere(),
                _ => self.child(),
            };
            mend(&mut point);
            if !self.known.contains_key(&point) && !asked.contains(&point) {
                return Some(point);
            }
        }
        None
    }

    fn anywhere(&mut self) -> Point {
        let random = &mut self.random;
        let axes = self.axes.iter();
        axes.map(|positions| random.u32(0..(*positions).max(1)))
            .collect()
    }

    /// Each position from either of two that live.
    fn child(&mut self) -> Point {
        let [one, other] = [self.parent(), self.parent()];
        let random = &mut self.random;
        let pairs = one.iter().zip(&other);
        let child = pairs.map(|(one, other)| if random.bool() { *one } else { *other });
        let child: Point = child.collect();
        self.moved(&child)
    }

    /// The better of any two that live.
    fn parent(&mut self) -> Point {
        let living = self.living.len().max(1);
        let [one, other] = [(); 2].map(|()| self.random.usize(0..living));
        let parent = self.living.get(one.min(other));
        parent.unwrap_or(&self.start).clone()
    }

    /// A point of which one position, and each other with the chance of one, is moved by a place or a few.
    fn moved(&mut self, point: &Point) -> Point {
        let mut moved = point.clone();
        let count = moved.len().max(1);
        let one = self.random.usize(0..count);
        for (axis, position) in moved.iter_mut().enumerate() {
            if axis != one && self.random.usize(0..count) > 0 {
                continue;
            }
            let last = self.axes[axis].saturating_sub(1);
            // One place in half of all cases, two in a quarter, and so on.
            let places = 1 + self.random.u64(..).trailing_zeros();
            let up = self.random.bool();
            // At an end there is only one way.
            *position = if (up && *position < last) || *position == 0 {
                position.saturating_add(places).min(last)
            } else {
                position.saturating_sub(places)
            };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::dominates;
    use proptest::prelude::*;

    const SIDE: u32 = 32;

    fn as_is(_: &mut Point) {}

    /// To be at 8 on the first axis, and to be at 24; the others are best at 5.
    fn costs(point: &Point) -> Costs {
        let away = |position: u32, from: u32| u64::from(position.abs_diff(from));
        let others: u64 = point[1..].iter().map(|other| away(*other, 5).pow(2)).sum();
        vec![
            away(point[0], 8).pow(2) + others,
            away(point[0], 24).pow(2) + others,
        ]
    }

    fn run(seed: u64, budget: usize, population: usize) -> Search {
        let mut search = Search::new(vec![SIDE; 3], vec![31, 31, 0], population, seed);
        while search.known().len() < budget {
            let points = search.ask(budget - search.known().len(), &as_is);
            if points.is_empty() {
                break;
            }
            search.tell(points.into_iter().map(|point| {
                let costs = costs(&point);
                (point, costs)
            }));
        }
        search
    }

    #[test]
    fn finds_the_front_in_one_of_a_hundred_points() {
        let search = run(1, SIDE.pow(3) as usize / 100, 16);
        // What is best lies from 8 to 24 on the first axis, and at 5 on the others.
        let found = search.front();
        let best = found.iter().filter(|(point, _)| {
            (8..=24).contains(&point[0]) && point[1..].iter().all(|other| other.abs_diff(5) <= 1)
        });
        assert!(best.count() >= 8, "{found:?}");
        // Chance finds less.
        let chance = run(1, SIDE.pow(3) as usize / 100, usize::MAX);
        let beaten = chance
            .front()
            .into_iter()
            .filter(|(_, costs)| found.iter().any(|(_, better)| dominates(better, costs)));
        assert!(beaten.count() * 2 > chance.front().len());
    }

    #[test]
    fn a_space_that_is_known_has_nothing_to_ask() {
        let mut search = Search::new(vec![2, 1], vec![1, 0], 8, 3);
        let points = search.ask(8, &as_is);
        assert_eq!(points, [vec![1, 0], vec![0, 0]]);
        search.tell(points.into_iter().map(|point| (point, vec![1])));
        assert_eq!(search.ask(8, &as_is), Vec::<Point>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_start_is_on_the_front_or_dominated(seed in any::<u64>(), budget in 1_usize..120) {
            let search = run(seed, budget, 12);
            prop_assert_eq!(search.known().len(), budget);
            let start = search.known().get(&vec![31, 31, 0]).expect("asked for first");
            let front = search.front();
            prop_assert!(front.iter().any(|(_, costs)| *costs == start || dominates(costs, start)));
            for point in search.known().keys() {
                prop_assert!(point.iter().all(|position| *position < SIDE));
            }
        }

        #[test]
        fn the_same_seed_finds_the_same(seed in any::<u64>()) {
            let [one, other] = [run(seed, 100, 12), run(seed, 100, 12)];
            prop_assert_eq!(one.known(), other.known());
        }

        #[test]
        fn what_may_not_be_is_never_asked_for(seed in any::<u64>()) {
            let mut search = Search::new(vec![SIDE; 2], vec![0, 1], 10, seed);
            let mend = |point: &mut Point| point[0] = point[0].min(point[1].saturating_sub(1));
            for _ in 0..5 {
                let points = search.ask(10, &mend);
                prop_assert!(points.iter().all(|point| point[0] < point[1].max(1)));
                search.tell(points.into_iter().map(|point| (point.clone(), vec![point[0].into(), point[1].into()])));
            }
        }
    }
}
