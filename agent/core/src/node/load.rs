//! What a workload wants of the CPU, and what is left over of it.

use crate::signal::{Amount, Nanos};

use super::{
    arrivals::{Arrivals, Clock, Service, Sizes},
    queue::Queue,
    work::{NEVER, done, finish},
};

/// What a workload wants of the CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A series of rates; what is not served is wanted later.
    Series {
        /// From which time since the start which rate holds, in order; nothing is wanted before the
        /// first.
        steps: Vec<(Nanos, Amount)>,
        /// After which time the series begins anew; `None` keeps the last rate for ever.
        repeat: Option<Nanos>,
        /// CPUs that it can use at once while it has arrears.
        threads: u32,
    },
    /// Requests that come whether or not earlier ones were answered, and wait for a thread.
    Requests {
        /// When they come.
        arrivals: Arrivals,
        /// What each needs.
        service: Service,
        /// How many are served at once.
        threads: u32,
    },
}

impl Demand {
    /// Always the same rate.
    #[must_use]
    pub fn steady(rate: Amount, threads: u32) -> Self {
        Self::Series {
            steps: vec![(Nanos(0), rate)],
            repeat: None,
            threads,
        }
    }

    /// Threads that all begin to need the same CPU time at once, again and again: a square wave.
    #[must_use]
    pub fn wave(every: Nanos, burst: Nanos, threads: u32) -> Self {
        Self::Requests {
            arrivals: Arrivals::Even {
                every,
                together: threads,
            },
            service: Service::Fixed(burst),
            threads,
        }
    }
}

/// A demand under way.
#[derive(Clone, Debug)]
pub(super) enum Load {
    /// Wants nothing: an inner node of the tree.
    Nothing,
    Series(Series),
    Queue(Queue),
}

/// A series under way.
#[derive(Clone, Debug)]
pub(super) struct Series {
    steps: Vec<(Nanos, Amount)>,
    repeat: Option<Nanos>,
    threads: u64,
    /// Where the present round of the series began.
    began: Nanos,
    /// The next step.
    next: usize,
    /// What is wanted at present, in micro-CPUs.
    inflow: u64,
    backlog: u128,
    /// Whether less was given than was wanted: then there are arrears from this moment on.
    short: bool,
}

impl Load {
    pub(super) fn new(demand: Demand, start: Nanos) -> Self {
        match demand {
            Demand::Series {
                steps,
                repeat,
                threads,
            } => Self::Series(Series {
                steps,
                repeat: repeat.filter(|after| after.0 > 0),
                threads: u64::from(threads.max(1)),
                began: start,
                next: 0,
                inflow: 0,
                backlog: 0,
                short: false,
            }),
            Demand::Requests {
                arrivals,
                service,
                threads,
            } => Self::Queue(Queue::new(
                Clock::new(arrivals, start),
                Sizes::new(service),
                threads,
                start,
            )),
        }
    }

    /// The rate that it could make use of now, in micro-CPUs.
    pub(super) fn desire(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Series(series) if series.backlog > 0 || series.short => {
                series.threads * Amount::CPU.0
            }
            Self::Series(series) => series.inflow.min(series.threads * Amount::CPU.0),
            Self::Queue(queue) => queue.busy() * Amount::CPU.0,
        }
    }

    /// Threads that want to run.
    pub(super) fn runnable(&self) -> u64 {
        self.desire().div_ceil(Amount::CPU.0)
    }

    /// Of so many CPUs those on which it runs or would; none where nothing is said of CPUs.
    pub(super) fn running(&self, cpus: u64) -> u64 {
        match self {
            Self::Nothing | Self::Series(_) => 0,
            Self::Queue(queue) => queue.busy().min(cpus),
        }
    }

    /// What of a rate it can make use of.
    pub(super) fn usable(&self, rate: u64) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Series(_) => rate,
            Self::Queue(queue) => queue.usable(rate),
        }
    }

    /// Work that has been wanted and not been done.
    pub(super) fn backlog(&self) -> u128 {
        match self {
            Self::Nothing => 0,
            Self::Series(series) => series.backlog,
            Self::Queue(queue) => queue.backlog(),
        }
    }

    /// The rate at which work comes, in micro-CPUs; 0 where it comes in pieces.
    pub(super) fn inflow(&self) -> u64 {
        match self {
            Self::Series(series) => series.inflow,
            _ => 0,
        }
    }

    /// Goes on for `time` at `rate`; returns the work done and the work newly wanted.
    pub(super) fn advance(&mut self, time: u64, rate: u64) -> (u128, u128) {
        match self {
            Self::Nothing => (0, 0),
            Self::Series(series) => {
                let wanted = done(series.inflow, time);
                let all = series.backlog + wanted;
                let did = done(rate, time).min(all);
                series.backlog = all - did;
                (did, wanted)
            }
            Self::Queue(queue) => (queue.advance(time, rate), 0),
        }
    }

    /// When something changes if it goes on at this rate.
    pub(super) fn next(&self, now: Nanos, rate: u64) -> Nanos {
        match self {
            Self::Nothing => NEVER,
            Self::Series(series) => {
                let step = series.next_step();
                if series.backlog > 0 || series.short {
                    step.min(finish(
                        now,
                        series.backlog,
                        rate.saturating_sub(series.inflow),
                    ))
                } else {
                    step
                }
            }
            Self::Queue(queue) => queue.next(now, rate),
        }
    }

    /// Does what is due; returns the work newly wanted. `answered` hears the latency of each request.
    pub(super) fn turn(&mut self, now: Nanos, rate: u64, answered: impl FnMut(Nanos)) -> u128 {
        match self {
            Self::Nothing => 0,
            Self::Series(series) => {
                series.turn(now, rate);
                0
            }
            Self::Queue(queue) => queue.turn(now, answered),
        }
    }

    /// Less was given than [`Load::desire`]; returns whether it desires more now.
    pub(super) fn shorten(&mut self) -> bool {
        match self {
            Self::Series(series) if series.inflow > 0 && !series.short => {
                let before = series.backlog;
                series.short = true;
                before == 0 && series.inflow < series.threads * Amount::CPU.0
            }
            _ => false,
        }
    }

    /// The process has died: how many requests and how much work are lost.
    pub(super) fn drop_all(&mut self) -> (u64, u128) {
        match self {
            Self::Nothing => (0, 0),
            Self::Series(series) => {
                series.short = false;
                (0, std::mem::take(&mut series.backlog))
            }
            Self::Queue(queue) => queue.drop_all(),
        }
    }

    /// It runs again: what came meanwhile found nobody. How many requests that were.
    pub(super) fn miss(&mut self, now: Nanos) -> u64 {
        match self {
            Self::Queue(queue) => queue.miss(now),
            _ => 0,
        }
    }
}

impl Series {
    fn next_step(&self) -> Nanos {
        let after = match (self.steps.get(self.next), self.repeat) {
            (Some((after, _)), _) if self.repeat.is_none_or(|repeat| *after < repeat) => *after,
            (_, Some(repeat)) if !self.steps.is_empty() => repeat,
            _ => return NEVER,
        };
        self.began.plus(after)
    }

    fn turn(&mut self, now: Nanos, rate: u64) {
        if self.backlog == 0 && rate >= self.inflow {
            self.short = false;
        }
        while self.next_step() <= now {
            match self.steps.get(self.next) {
                Some((after, amount)) if self.repeat.is_none_or(|repeat| *after < repeat) => {
                    self.inflow = amount.0;
                    self.next += 1;
                }
                _ => {
                    self.began = self.began.plus(self.repeat.unwrap_or_default());
                    self.next = 0;
                }
            }
        }
        if self.inflow == 0 && self.backlog == 0 {
            self.short = false;
        }
    }
}
