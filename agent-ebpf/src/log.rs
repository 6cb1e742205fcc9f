//! Lines for whoever debugs a probe.
//!
//! They exist only with the feature `log` (`cargo xtask build --log`): to format one in the kernel
//! costs more than a whole probe, and the map through which they go takes memory. Rare hooks only,
//! never those of the scheduler.

/// Writes a line; without the feature `log`, nothing at all.
macro_rules! say {
    ($ctx:expr, $($line:tt)+) => {
        #[cfg(feature = "log")]
        aya_log_ebpf::debug!($ctx, $($line)+);
    };
}

pub(crate) use say;
