//! What counts as too late.

use crate::signal::Nanos;

/// By what a stretch of time is judged.
///
/// Time is cut into windows, the last of which may be shorter. A window is one that violates if in it
/// - work that flows waited for longer than the objective on average (the integral of the backlog over the work
///   done, by Little's law), or more than one of 100 requests took longer; or
/// - work was wanted and none was done; or
/// - requests or work were lost, or something was killed for want of memory; or
/// - more than a tenth of it passed stalled on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The length of a window.
    pub window: Nanos,
    /// The objective: how late work may be.
    pub objective: Nanos,
}

impl Default for Rules {
    /// Minutes, and 200 ms.
    fn default() -> Self {
        Self {
            window: Nanos::MINUTE,
            objective: Nanos(200 * Nanos::MILLI.0),
        }
    }
}
