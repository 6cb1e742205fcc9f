//! Why a workload's tasks waited for a CPU, over the last seconds.

use crate::signal::Nanos;
use std::cmp::Reverse;
use std::collections::VecDeque;

/// Other groups that are named per second.
pub const NAMES: usize = 8;

/// Seconds that are kept.
pub const KEPT: usize = 16;

/// Waiting behind other groups, by the id of each, in ns; id 0 for none.
pub type Groups = [(u64, u64); NAMES];

/// How a workload's tasks spent the time in which they could have run, summed over the tasks, in
/// ns; all but the waiting behind other groups that are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// They ran.
    pub ran: u64,
    /// They were throttled, by their own quota or by one above.
    pub throttled: u64,
    /// Behind the group's own tasks.
    pub siblings: u64,
    /// Behind the kernel's tasks.
    pub system: u64,
    /// Behind softirqs.
    pub interrupts: u64,
    /// Although the CPU was idle: until it was awake.
    pub idle: u64,
    /// Behind groups that are not named.
    pub unnamed: u64,
    /// Too short to ask behind whom.
    pub short: u64,
}

impl Waits {
    fn add(&mut self, other: &Self) {
        self.ran += other.ran;
        self.throttled += other.throttled;
        self.siblings += other.siblings;
        self.system += other.system;
        self.interrupts += other.interrupts;
        self.idle += other.idle;
        self.unnamed += other.unnamed;
        self.short += other.short;
    }
}

/// The sum over some seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How long they were.
    pub window: Nanos,
    /// All but the next.
    pub waits: Waits,
    /// Waiting behind other groups in ns, by id; the worst first.
    pub groups: Vec<(u64, u64)>,
}

impl Sum {
    /// All of the waiting, in ns.
    #[must_use]
    pub fn waited(&self) -> u64 {
        let waits = &self.waits;
        let behind: u64 = self.groups.iter().map(|(_, ns)| ns).sum();
        let others = waits.siblings + waits.system + waits.idle + waits.unnamed;
        behind + others + waits.interrupts + waits.throttled + waits.short
    }
}

/// About a second.
#[derive(Clone, Debug)]
struct Cell {
    begun: Nanos,
    waits: Waits,
    groups: Groups,
}

/// The last seconds of one workload: of fixed size once they have passed.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    cells: VecDeque<Cell>,
    /// When the last tick was.
    last: Nanos,
}

impl Waiting {
    /// Takes in what happened from `since` to `now`.
    pub fn push(&mut self, since: Nanos, now: Nanos, waits: &Waits, groups: &Groups) {
        self.last = now;
        match self.cells.back_mut() {
            Some(cell) if since.since(cell.begun) < Nanos::SECOND => {
                cell.waits.add(waits);
                cell.add(groups);
            }
            _ => {
                if self.cells.len() == KEPT {
                    self.cells.pop_front();
                }
                self.cells.push_back(Cell {
                    begun: since,
                    waits: *waits,
                    groups: *groups,
                });
            }
        }
    }

    /// What happened in the last `window`: whole seconds, at least one, no more than are kept.
    #[must_use]
    pub fn over(&self, window: Nanos) -> Sum {
        let mut sum = Sum::default();
        let recent = self.cells.iter().rev().enumerate();
        for (_, cell) in
            recent.take_while(|(age, cell)| *age == 0 || self.last.since(cell.begun) <= window)
        {
            sum.window = self.last.since(cell.begun);
            sum.waits.add(&cell.waits);
            for (id, ns) in cell.groups.iter().filter(|(_, ns)| *ns > 0) {
                match sum.groups.iter_mut().find(|(known, _)| known == id) {
                    Some((_, all)) => *all += ns,
                    None => sum.groups.push((*id, *ns)),
                }
            }
        }
        sum.groups.sort_by_key(|(id, ns)| (Reverse(*ns), *id));
        sum
    }
}

impl Cell {
    fn add(&mut self, groups: &Groups) {
        for (id, ns) in groups.iter().filter(|(_, ns)| *ns > 0) {
            let cells = &mut self.groups;
            match cells
                .iter_mut()
                .find(|(known, sum)| known == id || *sum == 0)
            {
                Some((known, sum)) => (*known, *sum) = (*id, *sum + ns),
                None => self.waits.unnamed += ns,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = Nanos::SECOND.0;

    fn groups(some: &[(u64, u64)]) -> Groups {
        let mut groups = Groups::default();
        groups[..some.len()].copy_from_slice(some);
        groups
    }

    fn ran(ran: u64) -> Waits {
        Waits {
            ran,
            ..Waits::default()
        }
    }

    /// Ticks of this length, one after another.
    fn ticks(length: u64, each: impl IntoIterator<Item = (Waits, Groups)>) -> Waiting {
        let mut waiting = Waiting::default();
        for (tick, (waits, groups)) in (0..).zip(each) {
            let (since, now) = (Nanos(tick * length), Nanos((tick + 1) * length));
            waiting.push(since, now, &waits, &groups);
        }
        waiting
    }

    #[test]
    fn groups_are_added_up_by_id_the_worst_first() {
        let waiting = ticks(
            SECOND,
            [
                (ran(5), groups(&[(1, 10), (2, 20)])),
                (ran(6), groups(&[(3, 1), (1, 15)])),
            ],
        );
        let sum = waiting.over(Nanos(10 * SECOND));
        assert_eq!(
            (sum.window, sum.waits.ran, sum.waited()),
            (Nanos(2 * SECOND), 11, 46)
        );
        assert_eq!(sum.groups, [(1, 25), (2, 20), (3, 1)]);
    }

    #[test]
    fn a_window_is_the_last_seconds() {
        let waiting = ticks(SECOND, (0..100).map(|_| (ran(1), groups(&[]))));
        assert_eq!(waiting.over(Nanos(10 * SECOND)).waits.ran, 10);
        assert_eq!(waiting.over(Nanos(1)).waits.ran, 1, "at least one");
        let all = waiting.over(Nanos(1_000 * SECOND));
        assert_eq!(all.waits.ran, KEPT as u64, "no more than is kept");
        assert_eq!(all.window, Nanos(KEPT as u64 * SECOND));
    }

    #[test]
    fn quick_ticks_share_a_second_and_its_names() {
        let tick = |number: u64| (ran(1), groups(&[(7, 2), (100 + number, 1)]));
        let waiting = ticks(SECOND / 10, (0..100).map(tick));
        let sum = waiting.over(Nanos(10 * SECOND));
        assert_eq!((sum.window, sum.waits.ran), (Nanos(10 * SECOND), 100));
        assert_eq!(sum.groups[0], (7, 200));
        assert_eq!(sum.waits.unnamed, 30, "3 of 10 a second");
        assert_eq!(sum.waited(), 300, "nothing is lost");
        assert!(waiting.cells.len() <= 10);
    }

    #[test]
    fn nothing_has_happened_yet() {
        assert_eq!(Waiting::default().over(Nanos(SECOND)), Sum::default());
    }
}
