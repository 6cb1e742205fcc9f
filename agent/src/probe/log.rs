//! The lines that the probes write for debugging: there is no such file without the feature
//! `probe-log`, nor such lines without the eBPF crate's feature `log`.

use aya::Ebpf;
use aya_log::EbpfLogger;

/// Lines from the kernel half, for the `log` crate's logger.
pub(crate) struct Log(EbpfLogger<&'static dyn log::Log>);

impl Log {
    /// `None` for an object that writes none.
    pub(super) fn of(object: &mut Ebpf) -> Option<Self> {
        EbpfLogger::init(object)
            .inspect_err(|error| tracing::warn!(%error, "the probes' lines cannot be read"))
            .ok()
            .map(Self)
    }

    /// Logs what has been written since the last call.
    pub(super) fn flush(&mut self) {
        self.0.flush();
    }
}
