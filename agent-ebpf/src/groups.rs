//! Tables of the groups of which user space wants something: see [`GroupCell`].
//!
//! A look-up in an array is a few instructions in place, in a hash map a call that costs as much as
//! all the rest of a probe.

use aya_ebpf::maps::Array;
use trimtab_ebpf::{GROUP_FREE, GROUP_PROBES, GroupCell, MAX_LEVELS};

use crate::{
    kernel::{Kernel, load, setting},
    level::id_of,
};

/// Where the histogram of a group is.
#[inline(always)]
pub(crate) fn index_of(table: &Array<GroupCell>, id: u64) -> Option<u32> {
    place_of(table, id).map(|(_, hist)| hist)
}

/// Where the cell of a group is, and where its histogram.
#[inline(always)]
pub(crate) fn place_of(table: &Array<GroupCell>, id: u64) -> Option<(u32, u32)> {
    for probe in 0..GROUP_PROBES {
        let index = (id as u32).wrapping_add(probe) & setting!(group_mask);
        let GroupCell { id: found, hist } = *table.get(index)?;
        // First: the id of a group that is going away reads as that of a free cell.
        if found == GROUP_FREE {
            return None;
        }
        if found == id {
            return Some((index, hist as u32));
        }
    }
    None
}

/// Where the histogram of the lowest group is that has one, from `cgroup` upwards: what happens in a
/// group that nobody asks about counts for the one above it that somebody does.
#[inline(always)]
pub(crate) fn nearest(table: &Array<GroupCell>, cgroup: Kernel) -> Option<u32> {
    let mut at = cgroup;
    // Above the root every load reads 0, which is no group's id.
    for _ in 0..MAX_LEVELS {
        let id = id_of(at);
        if id == 0 {
            return None;
        }
        if let Some(index) = index_of(table, id) {
            return Some(index);
        }
        at = load!(load!(at, cgroup_parent_css as Kernel), css_cgroup as Kernel);
    }
    None
}
