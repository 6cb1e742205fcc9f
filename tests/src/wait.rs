//! Waiting for what the kernel or another process does in its own time.

use std::{
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(2);

/// Polls until the condition holds; false when it still does not after `timeout`.
#[must_use]
pub fn eventually(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(POLL);
    }
}
