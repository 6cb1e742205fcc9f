//! How far a run has come.

use trimtab_core::signal::Nanos;

/// How far a run has come. Work is workload-time times policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Runs that are done: series times policies.
    pub runs: u64,
    /// Simulated time that is done, in ns.
    pub done: u128,
    /// Simulated time in all, in ns, once it is known.
    pub all: Option<u128>,
}

impl Progress {
    /// How much longer it takes if it goes on as it has for `elapsed`; `None` while that cannot be told.
    #[must_use]
    pub fn left(&self, elapsed: Nanos) -> Option<Nanos> {
        let left = self.all?.checked_sub(self.done)?;
        let nanos = left.checked_mul(elapsed.0.into())?.checked_div(self.done)?;
        u64::try_from(nanos).ok().map(Nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        let progress = |done, all| Progress { runs: 1, done, all };
        let elapsed = Nanos(30 * Nanos::SECOND.0);
        let left = |done, all| progress(done, all).left(elapsed);
        assert_eq!(left(100, Some(300)), Some(Nanos::MINUTE));
        assert_eq!(left(300, Some(300)), Some(Nanos(0)));
        assert_eq!(left(0, Some(300)), None);
        assert_eq!(left(100, None), None);
    }
}
