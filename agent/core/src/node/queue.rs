//! Requests that wait for one of a workload's threads, first come, first served.

use std::collections::VecDeque;

use crate::signal::{Amount, Nanos};

use super::{
    arrivals::{Clock, Sizes},
    work::{NEVER, done, finish, work},
};

/// Requests in the order of their arrival; as many as there are threads are served at once, all at the
/// same speed.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    threads: u32,
    started: Nanos,
    clock: Clock,
    sizes: Sizes,
    waiting: VecDeque<Request>,
    /// In the order in which they will be done.
    serving: Vec<Served>,
    /// Work that every thread that was busy all the time would have done.
    progress: u128,
    /// Work that is wanted: waiting and not yet done.
    backlog: u128,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    arrived: Nanos,
    need: u128,
}

#[derive(Clone, Copy, Debug)]
struct Served {
    arrived: Nanos,
    /// What the progress will be when it is done.
    until: u128,
}

impl Queue {
    pub(super) fn new(clock: Clock, sizes: Sizes, threads: u32, started: Nanos) -> Self {
        Self {
            threads: threads.max(1),
            started,
            clock,
            sizes,
            waiting: VecDeque::new(),
            serving: Vec::new(),
            progress: 0,
            backlog: 0,
        }
    }

    /// Threads that have something to do.
    pub(super) fn busy(&self) -> u64 {
        self.serving.len() as u64
    }

    pub(super) fn backlog(&self) -> u128 {
        self.backlog
    }

    /// Requests that have come and are not done.
    pub(super) fn pending(&self) -> u64 {
        (self.waiting.len() + self.serving.len()) as u64
    }

    /// The rate that its threads can make use of when given `rate`: the same for each.
    pub(super) fn usable(&self, rate: u64) -> u64 {
        let busy = self.busy().max(1);
        rate.min(busy * Amount::CPU.0) / busy * busy
    }

    /// Serves for `time` at a rate that was made [`Queue::usable`]; returns the work done.
    pub(super) fn advance(&mut self, time: u64, rate: u64) -> u128 {
        if rate == 0 || self.serving.is_empty() {
            return 0;
        }
        let each = done(rate / self.busy(), time);
        self.progress += each;
        let over: u128 = self
            .serving
            .iter()
            .map(|served| self.progress.saturating_sub(served.until))
            .sum();
        let did = each * u128::from(self.busy()) - over;
        self.backlog -= did;
        did
    }

    /// When a request comes or is done.
    pub(super) fn next(&self, now: Nanos, rate: u64) -> Nanos {
        let done = match self.serving.first() {
            Some(first) => finish(now, first.until - self.progress, rate / self.busy()),
            None => NEVER,
        };
        self.clock.next().unwrap_or(NEVER).min(done)
    }

    /// Takes out what is done and takes in what has come; `answered` hears of each latency.
    /// Returns the work that has come.
    pub(super) fn turn(&mut self, now: Nanos, mut answered: impl FnMut(Nanos)) -> u128 {
        let progress = self.progress;
        self.serving.retain(|served| {
            let left = served.until > progress;
            if !left {
                answered(now.since(served.arrived));
            }
            left
        });
        let before = self.backlog;
        while self.clock.next().is_some_and(|next| next <= now) {
            for _ in 0..self.clock.pass(self.started) {
                let need = work(self.sizes.draw()).max(1);
                self.backlog += need;
                self.waiting.push_back(Request { arrived: now, need });
            }
        }
        while self.serving.len() < self.threads as usize
            && let Some(request) = self.waiting.pop_front()
        {
            let until = self.progress + request.need;
            let place = self.serving.partition_point(|other| other.until <= until);
            let arrived = request.arrived;
            self.serving.insert(place, Served { arrived, until });
        }
        self.backlog - before
    }

    /// Forgets what has come: its process has died. Returns how many requests and how much work.
    pub(super) fn drop_all(&mut self) -> (u64, u128) {
        let lost = (self.pending(), self.backlog);
        self.waiting.clear();
        self.serving.clear();
        self.backlog = 0;
        lost
    }

    /// Passes over what comes before `now`: nobody is there to hear it. Returns how many.
    pub(super) fn miss(&mut self, now: Nanos) -> u64 {
        let mut missed = 0;
        while self.clock.next().is_some_and(|next| next < now) {
            missed += u64::from(self.clock.pass(self.started));
        }
        missed
    }
}
