//! What the probes say besides events, for debugging.

use std::os::fd::{AsFd, BorrowedFd};

use aya::Ebpf;
use aya_log::EbpfLogger;

/// Lines from the kernel half, for the `log` crate's logger. Poll [`AsFd::as_fd`] for reading, or
/// [`Log::flush`] now and then: they are rare.
pub struct Log(EbpfLogger<&'static dyn log::Log>);

impl Log {
    pub(super) fn of(object: &mut Ebpf) -> Option<Self> {
        EbpfLogger::init(object)
            .inspect_err(|error| tracing::warn!(%error, "the probes' log cannot be read"))
            .ok()
            .map(Self)
    }

    /// Logs what has been said since the last call.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
