//! Block I/O on behalf of the groups that are registered.

use aya::Ebpf;
use trimtab_ebpf::BlockHist;

use super::{Error, Options, groups::Hists};

/// The histograms, by the id of the group in the hierarchy of the I/O controller.
pub type Block = Hists<BlockHist>;

pub(super) fn of(object: &mut Ebpf, options: &Options) -> Result<Block, Error> {
    Hists::of(object, "BLOCK_GROUPS", "BLOCK_HISTS", options)
}
