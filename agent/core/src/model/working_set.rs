//! How much of its memory a workload works with, and whether it has lately been short of it.
//!
//! The working set is what is charged less the page cache that the kernel would drop first, as Kubernetes
//! counts it; what cannot be dropped is in it whatever its age.

use super::window::Window;
use crate::signal::{Amount, Nanos};
use crate::snapshot::MemorySignals;
use serde::{Deserialize, Serialize};

/// What it costs to read a page that was dropped, where no pressure tells: an SSD's answer.
const REFAULT: Nanos = Nanos(100_000);

/// Stalled for more than one in so many: a tenth of a percent, which is what TMO (ASPLOS'22) aims at.
const STALLED: u64 = 1_000;

/// For how many ticks it counts that a workload was short.
const LATELY: u32 = 10;

/// The working set over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkingSet {
    window: Window,
    /// All that was charged at the end of the last tick and of the one before.
    charged: [Amount; 2],
    /// Pages that came back during the last tick.
    refaults: u64,
    /// For how long some task stalled during the last tick.
    stalled: Nanos,
    /// Ticks in which it was short, one bit each, the last one's lowest.
    short: u32,
    /// Whether it is killed at the limit that moves.
    kills: bool,
}

impl WorkingSet {
    /// Nothing known yet; percentiles will be over `span`.
    #[must_use]
    pub fn new(span: Nanos) -> Self {
        Self {
            window: Window::new(span),
            charged: [Amount::ZERO; 2],
            refaults: 0,
            stalled: Nanos(0),
            short: 0,
            kills: true,
        }
    }

    /// Takes a tick of this length in.
    pub fn push(&mut self, now: Nanos, elapsed: Nanos, memory: &MemorySignals) {
        let used = memory.used.minus(memory.inactive_file);
        self.window.push(now, used.max(memory.anonymous).0);
        self.charged = [memory.used, self.charged[0]];
        self.refaults = memory.refaults;
        self.stalled = Nanos(memory.stalled_ns);
        // Above `memory.high` a task waits for memory; only at the hard limit it is killed.
        self.kills = memory.hard <= memory.held;
        let reread = Nanos(memory.refaults.saturating_mul(REFAULT.0));
        let lost = self.stalled.max(reread).0.saturating_mul(STALLED) > elapsed.0;
        let failed = memory.oom > 0 || memory.oom_kill > 0;
        self.short = self.short << 1 | u32::from(lost || failed);
    }

    /// A percentile of the working set.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Amount {
        Amount(self.window.percentile(percent))
    }

    /// How many cells of the window are filled.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.window.len()
    }

    /// The larger of what was charged at the ends of the last two ticks, page cache included.
    #[must_use]
    pub fn charged(&self) -> Amount {
        self.charged[0].max(self.charged[1])
    }

    /// Pages that came back, and for how long some task stalled, during the last tick.
    #[must_use]
    pub const fn lost(&self) -> (u64, Nanos) {
        (self.refaults, self.stalled)
    }

    /// Whether it was short of memory during the last tick: it stalled for more than a thousandth of it, by
    /// what the kernel tells or by what the pages that came back must have cost, or memory had run out.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.short & 1 > 0
    }

    /// Whether it was in one of the last ten.
    #[must_use]
    pub const fn was_short(&self) -> bool {
        self.short & ((1 << LATELY) - 1) > 0
    }

    /// Whether the limit that moves is the hard one, as on cgroup v1: who is over it is killed.
    #[must_use]
    pub const fn kills(&self) -> bool {
        self.kills
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(used: u64, anonymous: u64, inactive: u64) -> MemorySignals {
        MemorySignals {
            used: Amount(used),
            anonymous: Amount(anonymous),
            inactive_file: Amount(inactive),
            held: Amount(1_000),
            hard: Amount(2_000),
            ..MemorySignals::default()
        }
    }

    fn after(ticks: &[MemorySignals]) -> WorkingSet {
        let mut set = WorkingSet::new(Nanos::MINUTE);
        for (second, memory) in (1..).zip(ticks) {
            set.push(Nanos(second * Nanos::SECOND.0), Nanos::SECOND, memory);
        }
        set
    }

    #[test]
    fn idle_page_cache_is_no_part_of_it() {
        let set = after(&[memory(900, 200, 300), memory(900, 800, 300)]);
        assert_eq!(
            set.percentile(100),
            Amount(800),
            "what cannot be dropped is"
        );
        assert_eq!(set.percentile(50), Amount(600));
        let set = after(&[memory(900, 0, 0), memory(400, 0, 0)]);
        assert_eq!(set.charged(), Amount(900));
        let set = after(&[memory(900, 0, 0), memory(400, 0, 0), memory(300, 0, 0)]);
        assert_eq!(set.charged(), Amount(400));
    }

    #[test]
    fn a_thousandth_of_a_tick_is_what_it_may_lose() {
        let lost = |refaults, stalled_ns| MemorySignals {
            refaults,
            stalled_ns,
            ..memory(500, 500, 0)
        };
        for (refaults, stalled_ns, short) in [
            (0, 1_000_000, false),
            (0, 1_000_001, true),
            (10, 0, false),
            (11, 0, true),
        ] {
            let set = after(&[lost(refaults, stalled_ns)]);
            assert_eq!(set.is_short(), short, "{refaults} pages, {stalled_ns} ns");
        }
        let killed = MemorySignals {
            oom_kill: 1,
            ..memory(500, 500, 0)
        };
        assert!(after(&[killed]).is_short());
    }

    #[test]
    fn shortage_counts_for_ten_ticks() {
        let short = MemorySignals {
            oom: 1,
            ..memory(500, 500, 0)
        };
        let mut ticks = vec![short];
        ticks.extend([memory(500, 500, 0); 9]);
        let set = after(&ticks);
        assert!(!set.is_short() && set.was_short());
        ticks.push(memory(500, 500, 0));
        assert!(!after(&ticks).was_short());
    }

    #[test]
    fn the_hard_limit_kills_and_the_other_does_not() {
        assert!(!after(&[memory(500, 500, 0)]).kills());
        let hard = MemorySignals {
            hard: Amount(1_000),
            ..memory(500, 500, 0)
        };
        assert!(after(&[hard]).kills());
    }
}
