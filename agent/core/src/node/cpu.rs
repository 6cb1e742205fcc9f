//! CPU bandwidth of one group: period, quota, burst, and the exact moment at which the pool is spent.
//!
//! As kernel/sched/fair.c has it (`__refill_cfs_bandwidth_runtime`, `do_sched_cfs_period_timer`,
//! `tg_set_cfs_bandwidth`). Who serves requests runs on CPUs that draw [`Slices`] of the pool; a series
//! of rates, which says nothing of CPUs, draws on the pool itself. A period in which the pool cannot
//! run dry is no event: without slices it is passed in closed form.

use crate::signal::{Amount, Nanos};

use super::{
    slices::Slices,
    work::{NEVER, PER_NANO, clip, done, finish},
};

/// The least that `cpu.max` admits per period (`min_cfs_quota_period`).
const LEAST_QUOTA: Nanos = Nanos::MILLI;

/// Less than a quarter of the quota left is nearly spent, as the quota probe has it.
const NEAR: u64 = 4;
/// So is less than a tick or two; the same as the quota probe's.
const NOTICE: u64 = 5 * Nanos::MILLI.0 * PER_NANO;

/// What a group has of the CPU per period.
#[derive(Clone, Debug)]
pub(super) struct Bandwidth {
    /// Micro-CPUs; unlimited means no bandwidth control.
    limit: Amount,
    /// Work per period.
    quota: u64,
    /// Work that may be carried over.
    burst: u64,
    period: u64,
    /// When the present period ends; old while the timer rests.
    end: Nanos,
    /// The same distance from time 0 for every period.
    phase: u64,
    /// What is left of the pool.
    pool: u64,
    /// What CPUs have drawn of it.
    slices: Slices,
    timer: Timer,
    throttled: bool,
    /// Whether this pool has been warned of.
    warned: bool,
    /// Use below which there is no warning.
    usual: u64,
    /// `nr_periods` of cpu.stat.
    pub(super) periods: u64,
    /// `nr_throttled` of cpu.stat.
    pub(super) throttled_periods: u64,
}

/// The period timer: it stops after a whole period without use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Rests,
    /// It runs, and nothing has been used since it last expired.
    Idle,
    /// It runs, and something has been.
    Used,
}

/// What a group has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// Nothing that anybody must hear of.
    Enough,
    /// Nearly spent, for the first time since it was filled.
    Near,
    /// Spent: it is throttled from now on.
    Spent,
}

impl Bandwidth {
    pub(super) fn new(limit: Amount, burst: Nanos, period: Nanos, phase: Nanos) -> Self {
        let period = period.0.max(LEAST_QUOTA.0);
        let mut new = Self {
            limit: Amount::UNLIMITED,
            quota: 0,
            burst: 0,
            period,
            end: Nanos(0),
            phase: phase.0 % period,
            pool: 0,
            slices: Slices::default(),
            timer: Timer::Rests,
            throttled: false,
            warned: false,
            usual: 0,
            periods: 0,
            throttled_periods: 0,
        };
        new.begin(Nanos(0), limit, burst);
        new
    }

    /// A new group: what it has used is forgotten, what was counted is not.
    pub(super) fn begin(&mut self, now: Nanos, limit: Amount, burst: Nanos) {
        (self.pool, self.burst, self.timer) = (0, 0, Timer::Rests);
        self.set_limit(now, limit);
        if burst.0 > 0 {
            self.set_burst(now, burst);
        }
    }

    pub(super) fn limit(&self) -> Amount {
        self.limit
    }

    pub(super) fn is_limited(&self) -> bool {
        !self.limit.is_unlimited()
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// What is left of the pool and of what was drawn of it, rounded down.
    #[cfg(test)]
    pub(super) fn left(&self) -> Nanos {
        Nanos(self.runtime() / PER_NANO)
    }

    /// What may still be used in this period.
    fn runtime(&self) -> u64 {
        self.pool.saturating_add(self.slices.held())
    }

    /// It runs on so many CPUs from now on, each of which draws for itself.
    pub(super) fn run_on(&mut self, cpus: u64) {
        let back = self.slices.run_on(cpus);
        if self.is_limited() {
            self.pool = self.pool.saturating_add(back);
        }
    }

    /// Use below which a warning is not worth raising, in ns per period.
    pub(super) fn set_usual(&mut self, usual: u64) {
        self.usual = usual.saturating_mul(PER_NANO);
    }

    /// A write of the quota: it fills the pool and ends throttling at once, and leaves the period's
    /// end where it is (`tg_set_cfs_bandwidth`). Never below 1 ms per period, as in the kernel.
    pub(super) fn set_limit(&mut self, now: Nanos, limit: Amount) {
        self.throttled = false;
        self.warned = false;
        self.limit = limit;
        if limit.is_unlimited() {
            self.timer = Timer::Rests;
            return;
        }
        let per_period = done(limit.0, self.period).max(done(PER_NANO, LEAST_QUOTA.0));
        self.quota = clip(per_period);
        self.burst = self.burst.min(self.quota);
        self.slices.clear();
        self.fill();
        self.wake(now);
    }

    /// A write of the burst, which fills the pool like a write of the quota: no more than the quota, as the
    /// kernel demands.
    pub(super) fn set_burst(&mut self, now: Nanos, burst: Nanos) {
        self.burst = burst.0.saturating_mul(PER_NANO);
        self.set_limit(now, self.limit);
    }

    /// Starts the period timer if it rests; periods keep their phase.
    pub(super) fn wake(&mut self, now: Nanos) {
        if self.timer == Timer::Rests && self.is_limited() {
            self.timer = Timer::Used;
            let since = now.0 + self.period - self.phase;
            self.end = Nanos(now.0 + self.period - since % self.period);
        }
    }

    fn fill(&mut self) {
        self.pool = self
            .pool
            .saturating_add(self.quota)
            .min(self.quota.saturating_add(self.burst));
    }

    /// Takes what was used from the pool, or from what was drawn of it.
    pub(super) fn charge(&mut self, work: u128) {
        if work > 0 && self.is_limited() {
            let drawn = self.slices.charge(work, self.pool);
            if drawn > 0 {
                self.pool -= drawn;
                self.timer = Timer::Used;
            }
        }
    }

    /// Goes on from one moment to the next, at a rate that used `did` in all; the pool cannot run dry
    /// in between, or it would have been an event.
    pub(super) fn advance(&mut self, from: Nanos, to: Nanos, rate: u64, did: u128) {
        let mut from = from;
        let mut rest = did;
        while self.timer != Timer::Rests && self.end <= to {
            let used = done(rate, self.end.since(from).0).min(rest);
            self.charge(used);
            rest -= used;
            from = self.end;
            self.expire();
            // The last period is left to the next round: work may have ended in it.
            let whole = (to.since(from).0 / self.period).saturating_sub(1);
            let each = done(rate, self.period);
            let closed = whole > 0 && each > 0 && !self.slices.is_running();
            if closed && rest > each * u128::from(whole) {
                rest -= each * u128::from(whole);
                from = from.plus(Nanos(whole * self.period));
                self.end = from.plus(Nanos(self.period));
                self.periods += whole;
                self.timer = Timer::Used;
                let saved = u128::from(self.quota).saturating_sub(each) * u128::from(whole);
                self.pool =
                    clip(u128::from(self.pool) + saved).min(self.quota.saturating_add(self.burst));
            }
        }
        self.charge(rest);
    }

    /// The period timer expires.
    fn expire(&mut self) {
        self.periods += 1;
        self.fill();
        self.warned = false;
        if self.throttled {
            self.throttled_periods += 1;
            self.throttled = false;
            self.timer = Timer::Used;
        } else if self.timer == Timer::Idle && !self.slices.is_running() {
            self.timer = Timer::Rests;
        } else {
            self.timer = Timer::Idle;
        }
        self.end = self.end.plus(Nanos(self.period));
    }

    /// How much is left when a warning is due.
    fn near(&self) -> u64 {
        let least = (self.quota / NEAR).max(NOTICE.min(self.quota));
        least.min(self.quota.saturating_sub(self.usual))
    }

    /// When something happens if it goes on at this rate. `warns`: whether somebody wants to be
    /// warned. `shared`: whether others charge the pool as well, so that every period is an event.
    pub(super) fn next(&self, now: Nanos, rate: u64, warns: bool, shared: bool) -> Nanos {
        if self.timer == Timer::Rests {
            // What a CPU has kept is used without the timer.
            return if self.is_limited() {
                self.dry(now, rate)
            } else {
                NEVER
            };
        }
        if self.throttled || shared {
            let near = self.warning(now, rate, warns).unwrap_or(self.end);
            return self.dry(now, rate).min(near).min(self.end);
        }
        if rate == 0 {
            return NEVER;
        }
        let dry = self.dry(now, rate);
        let warning = self.warning(now, rate, warns).unwrap_or(NEVER);
        let each = done(rate, self.period);
        let plain = if warns {
            self.quota - self.near()
        } else {
            self.quota
        };
        if dry.min(warning) <= self.end || each > u128::from(plain) {
            dry.min(warning).min(self.end)
        } else {
            NEVER
        }
    }

    /// When the pool holds less than is used in a nanosecond.
    fn dry(&self, now: Nanos, rate: u64) -> Nanos {
        match rate {
            0 => NEVER,
            _ if self.timer == Timer::Rests => now.plus(Nanos(self.slices.held() / rate)),
            _ => now.plus(Nanos(self.runtime() / rate)),
        }
    }

    fn warning(&self, now: Nanos, rate: u64, warns: bool) -> Option<Nanos> {
        (warns && !self.warned && rate > 0).then(|| {
            let above = self.runtime().saturating_sub(self.near());
            finish(now, u128::from(above), rate)
        })
    }

    /// Looks at the pool when a group wants to run at this rate.
    pub(super) fn look(&mut self, now: Nanos, desire: u64, warns: bool) -> Pool {
        if !self.is_limited() || self.throttled || desire == 0 {
            return Pool::Enough;
        }
        if self.slices.held() < desire {
            self.wake(now);
        }
        if self.runtime() < desire {
            self.throttled = true;
            return Pool::Spent;
        }
        if warns && !self.warned && self.runtime() <= self.near() {
            self.warned = true;
            return Pool::Near;
        }
        Pool::Enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = Nanos::MILLI;

    fn milli(count: u64) -> Nanos {
        Nanos(count * MILLI.0)
    }

    fn bandwidth(quota: u64, burst: u64) -> Bandwidth {
        Bandwidth::new(Amount(quota * 10_000), milli(burst), milli(100), Nanos(0))
    }

    fn used(bandwidth: &mut Bandwidth, from: u64, to: u64, rate: u64) {
        let did = done(rate, (to - from) * MILLI.0);
        bandwidth.advance(milli(from), milli(to), rate, did);
    }

    #[test]
    fn the_pool_is_spent_at_its_moment() {
        let mut group = bandwidth(10, 0);
        assert_eq!(group.next(Nanos(0), Amount::CPU.0, false, false), milli(10));
        used(&mut group, 0, 10, Amount::CPU.0);
        assert_eq!(group.look(milli(10), Amount::CPU.0, false), Pool::Spent);
        assert_eq!(group.next(milli(10), 0, false, false), milli(100));
        group.advance(milli(10), milli(100), 0, 0);
        assert_eq!((group.periods, group.throttled_periods), (1, 1));
        assert_eq!(group.left(), milli(10));
    }

    #[test]
    fn a_rate_that_the_quota_covers_is_no_event() {
        let mut group = bandwidth(10, 0);
        assert_eq!(group.next(Nanos(0), 90_000, false, false), NEVER);
        used(&mut group, 0, 100_050, 90_000);
        assert_eq!((group.periods, group.throttled_periods), (1000, 0));
        assert_eq!(group.left(), Nanos(5_500_000));
    }

    #[test]
    fn what_a_period_leaves_is_carried_over_up_to_the_burst() {
        let mut group = bandwidth(10, 5);
        // Both writes have filled it.
        assert_eq!(group.left(), milli(15));
        used(&mut group, 0, 100, 140_000);
        assert_eq!(group.left(), milli(11));
        used(&mut group, 100, 1_000, 80_000);
        assert_eq!(group.left(), milli(15));
        assert_eq!(
            group.next(milli(1_000), Amount::CPU.0, false, false),
            milli(1_015)
        );
    }

    #[test]
    fn an_idle_timer_stops_after_a_whole_idle_period() {
        let mut group = bandwidth(10, 0);
        used(&mut group, 0, 50, 10_000);
        group.advance(milli(50), milli(1_000), 0, 0);
        assert_eq!(group.periods, 2);
        assert_eq!(group.look(milli(1_030), 1, false), Pool::Enough);
        assert_eq!(
            group.next(milli(1_030), Amount::CPU.0, false, false),
            milli(1_040)
        );
        used(&mut group, 1_030, 1_100, 10_000);
        assert_eq!(group.periods, 3);
    }

    #[test]
    fn a_write_fills_the_pool_and_keeps_the_period() {
        let mut group = bandwidth(10, 0);
        used(&mut group, 0, 10, Amount::CPU.0);
        assert_eq!(group.look(milli(10), Amount::CPU.0, true), Pool::Spent);
        group.set_limit(milli(20), Amount(200_000));
        assert!(!group.is_throttled());
        assert_eq!(group.left(), milli(20));
        assert_eq!(
            group.next(milli(20), Amount::CPU.0, false, false),
            milli(40)
        );
        assert_eq!(group.next(milli(20), 100_000, false, false), NEVER);
        used(&mut group, 20, 110, 100_000);
        assert_eq!((group.periods, group.throttled_periods), (1, 0));
    }

    #[test]
    fn a_warning_comes_once_before_the_pool_is_spent() {
        let mut group = bandwidth(40, 0);
        assert_eq!(group.next(Nanos(0), Amount::CPU.0, true, false), milli(30));
        used(&mut group, 0, 30, Amount::CPU.0);
        assert_eq!(group.look(milli(30), Amount::CPU.0, true), Pool::Near);
        assert_eq!(group.look(milli(30), Amount::CPU.0, true), Pool::Enough);
        assert_eq!(group.next(milli(30), Amount::CPU.0, true, false), milli(40));
    }
}
