//! Memory of one workload: anonymous pages that must stay, page cache that can go, and two limits.
//!
//! Growth is linear between events, in whole billionths of a byte. There is no swap, so only page cache
//! can be reclaimed. Over `memory.high` a group without cache hardly grows and stalls all the time, as
//! under the kernel's penalty (mm/memcontrol.c, `mem_cgroup_handle_over_high`); at `memory.max` it is killed.

use crate::signal::{Amount, Nanos};

use super::work::{NEVER, clip};

/// A stretch of a memory demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStep {
    /// From which time since the start it holds.
    pub at: Nanos,
    /// Anonymous memory that it comes to hold; what is above is freed at once.
    pub anonymous: Amount,
    /// Files that it reads again and again.
    pub working: Amount,
    /// Bytes a second that it reads once and never again: page cache that nobody misses.
    pub stream: u64,
}

/// What a workload wants of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryDemand {
    /// What it wants when, in order; nothing before the first.
    pub steps: Vec<MemoryStep>,
    /// Bytes a second at which it touches memory and reads files until it has what it wants.
    pub pace: u64,
    /// How long it takes to read all its files once more.
    pub reread: Nanos,
    /// What it costs to read a page that was dropped.
    pub fault: Nanos,
}

impl MemoryDemand {
    /// The same for ever, touched at 4 GB/s; files read again every second, 100 us for each missing page.
    #[must_use]
    pub fn steady(anonymous: Amount, working: Amount) -> Self {
        Self::series(vec![MemoryStep {
            anonymous,
            working,
            ..MemoryStep::default()
        }])
    }

    /// These steps, touched at 4 GB/s; files read again every second, 100 us for each missing page.
    #[must_use]
    pub fn series(steps: Vec<MemoryStep>) -> Self {
        Self {
            steps,
            pace: 4_000_000_000,
            reread: Nanos::SECOND,
            fault: Nanos(100_000),
        }
    }
}

/// Billionths in a byte.
const BYTE: u128 = 1_000_000_000;
/// The kernel's page.
const PAGE: u128 = 4096;
/// Charges are made in batches of 32 pages (`MEMCG_CHARGE_BATCH` before 6.18 doubled it).
const BATCH: u128 = 32 * PAGE;
/// Bytes a second over `memory.high` without anything to reclaim: one batch per longest penalty of 2 s.
const PENALISED: u64 = 64 << 10;
/// How long a full group is left alone before it is warned of again.
const REPEAT: Nanos = Nanos(100_000_000);

/// How it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pace {
    /// There is room, or nothing grows.
    #[default]
    Free,
    /// At the limit: what grows takes the place of page cache.
    Reclaiming,
    /// Over `memory.high` with nothing left to reclaim.
    Penalised,
    /// At `memory.max` with nothing left to reclaim.
    Stuck,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Nothing that anybody must hear of.
    Fits,
    /// Nearly full.
    Near,
    /// No room and nothing to reclaim: the OOM killer comes.
    Killed,
}

/// The memory of one workload under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    demand: Option<MemoryDemand>,
    started: Nanos,
    next: usize,
    wanted: MemoryStep,
    running: bool,
    limit: u128,
    high: u128,
    anonymous: u128,
    file: u128,
    grow: u64,
    /// Growth of page cache, negative while it is reclaimed.
    fill: i128,
    pace: Pace,
    usual: u128,
    warned: Option<Nanos>,
    peak: u128,
    over_high: u128,
    high_entries: u64,
    penalised: u64,
    /// Twice the integral of the files that are read and not there.
    missing: u128,
    /// Of files that it reads again and again: what was dropped, and what of that came back at once.
    dropped: u128,
    returned: u128,
    /// Twice the integral of what was charged.
    integral: u128,
    pub(super) oom_kills: u64,
}

impl Memory {
    pub(super) fn new(demand: Option<MemoryDemand>, started: Nanos) -> Self {
        Self {
            demand,
            started,
            ..Self::default()
        }
    }

    /// Whether it has anything to do at all.
    pub(super) fn is_used(&self) -> bool {
        self.demand.is_some()
    }

    pub(super) fn charged(&self) -> Amount {
        Amount(clip((self.anonymous + self.file) / BYTE))
    }

    pub(super) fn anonymous(&self) -> Amount {
        Amount(clip(self.anonymous / BYTE))
    }

    /// The same a while after it was brought up to date.
    pub(super) fn anonymous_after(&self, time: Nanos) -> Amount {
        let target = u128::from(self.wanted.anonymous.0) * BYTE;
        let grown = u128::from(self.grow) * u128::from(time.0);
        Amount(clip(
            (self.anonymous + grown).min(target.max(self.anonymous)) / BYTE,
        ))
    }

    pub(super) fn file(&self) -> Amount {
        Amount(clip(self.file / BYTE))
    }

    pub(super) fn working_set(&self) -> Amount {
        let working = u128::from(self.wanted.working.0) * BYTE;
        Amount(clip((self.anonymous + self.file.min(working)) / BYTE))
    }

    pub(super) fn peak(&self) -> Amount {
        Amount(clip(self.peak / BYTE))
    }

    /// Growth of what is charged, in bytes a second.
    fn growth(&self) -> i128 {
        i128::from(self.grow) + self.fill
    }

    /// What is charged, in billionths of a byte, and by how much it grows in a nanosecond.
    pub(super) fn line(&self) -> (i128, i128) {
        ((self.anonymous + self.file).cast_signed(), self.growth())
    }

    pub(super) fn high_events(&self) -> u64 {
        self.high_entries + clip(self.over_high / BYTE / BATCH)
    }

    pub(super) fn refaults(&self) -> u64 {
        let reread = self
            .demand
            .as_ref()
            .map_or(1, |demand| demand.reread.0.max(1));
        let again = self.missing / (2 * BYTE * PAGE * u128::from(reread));
        clip(again + self.returned / BYTE / PAGE)
    }

    pub(super) fn stalled(&self) -> Nanos {
        let fault = self.demand.as_ref().map_or(Nanos(0), |demand| demand.fault);
        Nanos(
            self.penalised
                .saturating_add(self.refaults().saturating_mul(fault.0)),
        )
    }

    /// The integral of what was charged, in byte-nanoseconds.
    pub(super) fn integral(&self) -> u128 {
        self.integral / 2 / BYTE
    }

    /// Use below which a warning is not worth raising.
    pub(super) fn set_usual(&mut self, usual: u64) {
        self.usual = u128::from(usual) * BYTE;
    }

    /// A write of `memory.max` or `memory.high`: page cache above them is dropped at once.
    pub(super) fn set_limits(&mut self, limit: Amount, high: Amount) {
        let before = (self.limit, self.high);
        self.limit = u128::from(limit.0) * BYTE;
        self.high = u128::from(high.0) * BYTE;
        if before != (self.limit, self.high) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.warned = None;
        let above = (self.anonymous + self.file).saturating_sub(self.held());
        self.shrink(self.file.saturating_sub(above));
    }

    /// Page cache shrinks to this.
    fn shrink(&mut self, file: u128) {
        let working = u128::from(self.wanted.working.0) * BYTE;
        self.dropped += self.file.min(working).saturating_sub(file);
        self.file = file;
    }

    /// Drops page cache; returns how much went.
    pub(super) fn reclaim(&mut self, amount: Amount) -> Amount {
        let went = self.file.min(u128::from(amount.0) * BYTE);
        self.shrink(self.file - went);
        Amount(clip(went / BYTE))
    }

    /// The limit that comes first.
    fn held(&self) -> u128 {
        self.limit.min(self.high)
    }

    /// The process has died, of whatever.
    pub(super) fn free(&mut self) {
        self.running = false;
        (self.anonymous, self.file) = (0, 0);
        (self.grow, self.fill, self.pace) = (0, 0, Pace::Free);
        self.warned = None;
        self.dropped = 0;
    }

    /// The process begins, with nothing.
    pub(super) fn start(&mut self) {
        self.running = true;
        self.peak = 0;
    }

    /// Goes on for a time.
    pub(super) fn advance(&mut self, time: u64) {
        if self.demand.is_none() {
            return;
        }
        let long = u128::from(time);
        let signed = long.cast_signed();
        let twice = 2 * (self.anonymous + self.file).cast_signed() * signed
            + self.growth() * signed * signed;
        self.integral += twice.max(0).cast_unsigned();
        let working = u128::from(self.wanted.working.0) * BYTE;
        if self.pace != Pace::Free && self.file < working {
            let missing = (working - self.file).cast_signed();
            let twice = 2 * missing * signed - self.fill.min(0) * signed * signed;
            self.missing += twice.max(0).cast_unsigned();
        }
        let target = u128::from(self.wanted.anonymous.0) * BYTE;
        let grown = u128::from(self.grow) * long;
        if self.grow > 0 {
            self.anonymous = (self.anonymous + grown).min(target.max(self.anonymous));
        }
        let filled = self.fill.unsigned_abs() * long;
        if self.fill < 0 {
            self.shrink(self.file.saturating_sub(filled));
        } else {
            if self.file < working {
                let returned = filled.min(self.dropped);
                self.dropped -= returned;
                self.returned += returned;
            }
            self.file += filled;
        }
        match self.pace {
            Pace::Reclaiming if self.high < self.limit => {
                self.over_high += grown.max(u128::from(self.wanted.stream) * long);
            }
            Pace::Free | Pace::Reclaiming | Pace::Stuck => {}
            Pace::Penalised => {
                self.over_high += grown;
                self.penalised += time;
            }
        }
        self.peak = self.peak.max(self.anonymous + self.file);
    }

    /// Does what is due and decides how it goes on.
    pub(super) fn turn(&mut self, now: Nanos, warns: bool) -> Fill {
        let Some(demand) = &self.demand else {
            return Fill::Fits;
        };
        let pace = demand.pace.max(1);
        while let Some(step) = demand.steps.get(self.next)
            && self.started.plus(step.at) <= now
        {
            self.wanted = *step;
            self.next += 1;
        }
        if !self.running {
            return Fill::Fits;
        }
        let before = self.pace;
        self.go(pace);
        if self.pace == Pace::Stuck {
            return Fill::Killed;
        }
        let high = |pace| matches!(pace, Pace::Reclaiming | Pace::Penalised);
        if high(self.pace) && !high(before) && self.high < self.limit {
            self.high_entries += 1;
        }
        if warns && self.warning(now).is_some_and(|time| time <= now) {
            self.warned = Some(now);
            return Fill::Near;
        }
        Fill::Fits
    }

    fn go(&mut self, pace: u64) {
        let target = u128::from(self.wanted.anonymous.0) * BYTE;
        let working = u128::from(self.wanted.working.0) * BYTE;
        self.anonymous = self.anonymous.min(target);
        let grow = if self.anonymous < target { pace } else { 0 };
        let read = if self.file < working {
            pace
        } else {
            self.wanted.stream
        };
        let charged = self.anonymous + self.file;
        let room = self.held().saturating_sub(charged);
        (self.grow, self.fill, self.pace) = if self.anonymous > self.limit {
            (0, 0, Pace::Stuck)
        } else if room >= u128::from(grow) + u128::from(read) {
            (grow, i128::from(read), Pace::Free)
        } else if grow == 0 {
            (0, 0, Pace::Reclaiming)
        } else if self.file > 0 {
            (grow, -i128::from(grow), Pace::Reclaiming)
        } else if self.limit.saturating_sub(charged) > u128::from(PENALISED) {
            (grow.min(PENALISED), 0, Pace::Penalised)
        } else {
            (0, 0, Pace::Stuck)
        };
    }

    /// From where on it is nearly full.
    fn near(&self) -> u128 {
        (self.held() / 4 * 3).max(self.usual)
    }

    /// When a warning is due while it grows.
    fn warning(&self, now: Nanos) -> Option<Nanos> {
        let growth = self.growth();
        if growth <= 0 && self.pace == Pace::Free {
            return None;
        }
        let near = self.near();
        let charged = self.anonymous + self.file;
        let crossed = if charged > near {
            now
        } else if growth > 0 {
            now.plus(Nanos(clip((near - charged) / growth.cast_unsigned() + 1)))
        } else {
            return None;
        };
        Some(match self.warned {
            Some(warned) => crossed.max(warned.plus(REPEAT)),
            None => crossed,
        })
    }

    /// When something happens if it goes on like this.
    pub(super) fn next(&self, now: Nanos, warns: bool) -> Nanos {
        let Some(demand) = &self.demand else {
            return NEVER;
        };
        let step = demand.steps.get(self.next);
        let step = step.map_or(NEVER, |step| self.started.plus(step.at));
        if !self.running {
            return step;
        }
        let after = |amount: u128, rate: u128| now.plus(Nanos(clip(amount / rate.max(1))));
        let charged = self.anonymous + self.file;
        let grow = u128::from(self.grow);
        let mut next = step;
        if self.grow > 0 {
            let target = u128::from(self.wanted.anonymous.0) * BYTE;
            next = next.min(after(target - self.anonymous + grow - 1, grow));
        }
        if self.fill > 0 {
            let working = u128::from(self.wanted.working.0) * BYTE;
            let fill = self.fill.cast_unsigned();
            if self.file < working {
                next = next.min(after(working - self.file + fill - 1, fill));
            }
        }
        next = next.min(match self.pace {
            Pace::Free if self.growth() > 0 => {
                after(self.held() - charged, self.growth().cast_unsigned())
            }
            Pace::Reclaiming if self.grow > 0 => after(self.file + grow - 1, grow),
            Pace::Penalised => after(self.limit - charged, grow),
            _ => NEVER,
        });
        if warns && let Some(warning) = self.warning(now) {
            next = next.min(warning);
        }
        next
    }
}
