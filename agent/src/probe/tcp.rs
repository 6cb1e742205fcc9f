//! Requests to the TCP servers of the groups that are registered: histograms made in the kernel.

use aya::Ebpf;
use trimtab_ebpf::TcpHist;

use super::{Error, Options, groups::Hists};

/// The histograms, by the id of the group whose CPU controller governs the server's tasks.
pub type Tcp = Hists<TcpHist>;

pub(super) fn of(object: &mut Ebpf, options: &Options) -> Result<Tcp, Error> {
    Hists::of(object, "TCP_GROUPS", "TCP_HISTS", options)
}
