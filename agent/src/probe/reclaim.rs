//! Direct reclaim by the tasks of the groups that are registered.

use aya::Ebpf;
use trimtab_ebpf::ReclaimHist;

use super::{Error, Options, groups::Hists};

/// The histograms, by the id of the group in the hierarchy of the memory controller.
pub type Reclaim = Hists<ReclaimHist>;

pub(super) fn of(object: &mut Ebpf, options: &Options) -> Result<Reclaim, Error> {
    Hists::of(object, "RECLAIM_GROUPS", "RECLAIM_HISTS", options)
}
