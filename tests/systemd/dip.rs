//! How long a unit's quota stood lower than it was lifted to.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};

use crate::unit::Unit;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(1);

/// Somebody who looks at a unit's quota all the time.
pub(crate) struct Dip {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Result<Lower>>,
}

/// What was seen below the lifted value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lower {
    /// The least, in micro-CPUs; the lifted value if nothing was.
    pub(crate) least: u64,
    /// The longest time in one piece.
    pub(crate) longest: Duration,
}

impl Dip {
    /// Looks from now on how long the quota stands below `lifted`.
    pub(crate) fn watch(unit: &Unit, lifted: u64) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (ended, quota) = (Arc::clone(&ends), unit.quota_reader());
        let watch = move || {
            let mut seen = Lower {
                least: lifted,
                longest: Duration::ZERO,
            };
            let mut since: Option<Instant> = None;
            while !ended.load(Ordering::Relaxed) {
                let now = quota()?;
                seen.least = seen.least.min(now);
                since = (now < lifted).then(|| since.unwrap_or_else(Instant::now));
                seen.longest = seen
                    .longest
                    .max(since.map_or(Duration::ZERO, |at| at.elapsed()));
                thread::sleep(EVERY);
            }
            Ok(seen)
        };
        Self {
            ends,
            thread: thread::spawn(watch),
        }
    }

    /// What was seen until now.
    pub(crate) fn end(self) -> Result<Lower> {
        self.ends.store(true, Ordering::Relaxed);
        let seen = self.thread.join().map_err(|_| anyhow!("it panicked"))?;
        seen.context("the quota cannot be read")
    }
}

impl fmt::Display for Lower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us per s for {:?}", self.least, self.longest)
    }
}
