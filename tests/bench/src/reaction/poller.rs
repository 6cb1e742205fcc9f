//! What one has without events: a loop that looks at the counters ten times a second.
//!
//! Autothrottle's Captain rolls a quota back when a 100 ms look finds throttling; it and its like
//! cannot react sooner than their next look.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;
use trimtab_tests::Group;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// Doubles the group's quota whenever a look finds new throttling, up to the whole node; returns
/// how often it did.
pub(crate) fn poll(group: &Group, period_us: u64, stop: &AtomicBool) -> Result<u64> {
    let node = u64::try_from(thread::available_parallelism()?.get())? * period_us;
    let mut seen = group.cpu_stat()?.nr_throttled;
    let mut writes = 0;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
        let throttled = group.cpu_stat()?.nr_throttled;
        let quota = group.quota_us()?.unwrap_or(node);
        if throttled > seen && quota < node {
            group.set_quota_us(Some((quota * 2).min(node)), period_us)?;
            writes += 1;
        }
        seen = throttled;
    }
    Ok(writes)
}
