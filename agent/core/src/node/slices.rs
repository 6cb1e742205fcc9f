//! What CPUs have drawn of a group's pool and not yet used.
//!
//! As kernel/sched/fair.c has it: a CPU whose own runtime is used up draws a slice
//! (`assign_cfs_rq_runtime`), which no refill touches; when nothing is left to run on it, it gives back
//! all but a millisecond (`__return_cfs_rq_runtime`), and runs on that first when it wakes. CPUs that
//! run at the same time are taken to hold the same.

use std::collections::VecDeque;

use crate::signal::Nanos;

use super::work::{PER_NANO, clip};

/// What a CPU draws at once (`sched_cfs_bandwidth_slice_us`).
pub(super) const SLICE: u64 = 5 * Nanos::MILLI.0 * PER_NANO;
/// What a CPU keeps when it has nothing to run (`min_cfs_rq_runtime`).
const KEPT: u64 = Nanos::MILLI.0 * PER_NANO;

/// What the CPUs of one group hold, in units of work.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices {
    /// CPUs on which it runs or would if it were not throttled.
    running: u64,
    /// What these hold together.
    held: u64,
    /// What each of the others has kept, the one that has been idle longest first.
    kept: VecDeque<u64>,
}

impl Slices {
    /// What may be used without drawing on the pool.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether anything runs on CPUs that draw.
    pub(super) fn is_running(&self) -> bool {
        self.running > 0
    }

    /// A write of a limit takes everything away (`tg_set_cfs_bandwidth`).
    pub(super) fn clear(&mut self) {
        self.held = 0;
        self.kept.clear();
    }

    /// From now on it runs on so many CPUs; returns what goes back to the pool.
    pub(super) fn run_on(&mut self, cpus: u64) -> u64 {
        let mut back = 0;
        while self.running > cpus {
            let part = self.held / self.running;
            self.held -= part;
            self.running -= 1;
            self.kept.push_back(part.min(KEPT));
            back += part.saturating_sub(KEPT);
        }
        while self.running < cpus {
            self.held += self.kept.pop_front().unwrap_or(0);
            self.running += 1;
        }
        back
    }

    /// Uses this much, drawing whole slices from a pool where what is held does not suffice; returns
    /// what is taken from the pool, which is never more than it has.
    pub(super) fn charge(&mut self, work: u128, pool: u64) -> u64 {
        let short = clip(work.saturating_sub(u128::from(self.held)));
        self.held = self.held.saturating_sub(clip(work));
        if short == 0 {
            return 0;
        }
        let draw = SLICE.saturating_mul(self.running);
        let drawn = match draw {
            // Nobody draws: a pool above its leaves.
            0 => short,
            draw => short.div_ceil(draw).saturating_mul(draw),
        };
        let drawn = drawn.min(pool);
        self.held = drawn.saturating_sub(short);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = Nanos::MILLI.0 * PER_NANO;

    #[test]
    fn whole_slices_are_drawn_and_all_but_a_millisecond_given_back() {
        let mut slices = Slices::default();
        assert_eq!(slices.run_on(1), 0);
        assert_eq!(
            slices.charge(u128::from(7 * MILLI), 100 * MILLI),
            10 * MILLI
        );
        assert_eq!(slices.held(), 3 * MILLI);
        assert_eq!(slices.charge(u128::from(3 * MILLI), 90 * MILLI), 0);
        assert_eq!(slices.charge(u128::from(MILLI), 90 * MILLI), 5 * MILLI);
        assert_eq!(slices.run_on(0), 3 * MILLI);
        // What it kept is used first.
        assert_eq!((slices.held(), slices.run_on(1)), (0, 0));
        assert_eq!(slices.held(), MILLI);
        assert_eq!(slices.charge(u128::from(2 * MILLI), 87 * MILLI), 5 * MILLI);
    }

    #[test]
    fn each_cpu_draws_and_keeps_for_itself() {
        let mut slices = Slices::default();
        slices.run_on(3);
        assert_eq!(
            slices.charge(u128::from(3 * MILLI), 100 * MILLI),
            15 * MILLI
        );
        assert_eq!(slices.run_on(1), 2 * 3 * MILLI);
        assert_eq!(slices.held(), 4 * MILLI);
        assert_eq!(slices.run_on(0), 3 * MILLI);
        assert_eq!(slices.run_on(2), 0);
        assert_eq!(slices.held(), 2 * MILLI);
    }

    #[test]
    fn the_last_of_a_pool_is_drawn_as_it_is() {
        let mut slices = Slices::default();
        slices.run_on(2);
        assert_eq!(slices.charge(u128::from(MILLI), 7 * MILLI), 7 * MILLI);
        assert_eq!(slices.held(), 6 * MILLI);
        slices.clear();
        assert_eq!((slices.held(), slices.run_on(0)), (0, 0));
    }
}
