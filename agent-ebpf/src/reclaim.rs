//! Direct reclaim: a histogram per group of how long its tasks had to free memory themselves, for a
//! limit apart from for the node.
//!
//! Hooks: `mm_vmscan_memcg_reclaim_begin` and `_end`, `mm_vmscan_direct_reclaim_begin` and `_end`.
//! Minimum kernel: 5.11 (`bpf_get_current_task_btf`).
//!
//! The memory group of the task that reclaims has the turn, or the nearest one above it that
//! somebody asks about, whichever group's limit was met: it is the one that stalls.
//!
//! Cost: 0.6 us as a turn begins and 0.65 us as it ends, what the kernel's statistics themselves take
//! included (`kernel.bpf_stats_enabled`, 205 turns of a program that reads files, with cold caches; 6.18,
//! x86-64, a virtual machine). A turn takes 14 us and more.
//!
//! What it cannot see: stalls of other kinds, for which the kernel has no tracepoint: sleeping above
//! `memory.high`, waiting for a page that was evicted and comes back, for swap, for a page that
//! somebody else writes out. Pressure (PSI) has them all, without telling them apart. Background
//! reclaim (`kswapd`, and the worker of `memory.high`), which nobody waits for. Compaction.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_task_btf},
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap},
    programs::BtfTracePointContext,
};
use trimtab_ebpf::{GroupCell, ReclaimHist, bucket, duty, lost};

use crate::{
    emit::{add, count_lost, now},
    groups::nearest,
    kernel::{Kernel, load, on, setting},
    memory,
};

/// Since when a task reclaims, by its pid. A task is in one reclaim at a time: while it is, its own
/// allocations may not reclaim.
#[map]
static RECLAIMING: HashMap<u32, u64> = HashMap::with_max_entries(1024, 0);

/// The ids of the groups of which user space wants a histogram: see [`crate::groups`].
#[map]
static RECLAIM_GROUPS: Array<GroupCell> = Array::with_max_entries(2048, 0);

/// Their histograms, the one that many share first.
#[map]
static RECLAIM_HISTS: Array<ReclaimHist> = Array::with_max_entries(2048, 0);

/// For whom memory is freed.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Limit,
    Node,
}

/// `mm_vmscan_memcg_reclaim_begin(int order, gfp_t gfp_flags, ..)`
#[btf_tracepoint(function = "mm_vmscan_memcg_reclaim_begin")]
pub(crate) fn mm_vmscan_memcg_reclaim_begin(_ctx: BtfTracePointContext) -> i32 {
    begins()
}

/// `mm_vmscan_memcg_reclaim_end(unsigned long nr_reclaimed, ..)`
#[btf_tracepoint(function = "mm_vmscan_memcg_reclaim_end")]
pub(crate) fn mm_vmscan_memcg_reclaim_end(ctx: BtfTracePointContext) -> i32 {
    ends(For::Limit);
    memory::reclaimed(ctx.arg(0));
    0
}

/// `mm_vmscan_direct_reclaim_begin(int order, gfp_t gfp_flags, ..)`
#[btf_tracepoint(function = "mm_vmscan_direct_reclaim_begin")]
pub(crate) fn mm_vmscan_direct_reclaim_begin(_ctx: BtfTracePointContext) -> i32 {
    begins()
}

/// `mm_vmscan_direct_reclaim_end(unsigned long nr_reclaimed, ..)`
#[btf_tracepoint(function = "mm_vmscan_direct_reclaim_end")]
pub(crate) fn mm_vmscan_direct_reclaim_end(_ctx: BtfTracePointContext) -> i32 {
    ends(For::Node);
    0
}

#[inline(always)]
fn begins() -> i32 {
    if !on(duty::RECLAIM_LATENCY) {
        return 0;
    }
    let both = bpf_get_current_pid_tgid();
    // Our own writes of a lower limit reclaim as well.
    if (both >> 32) as u32 != setting!(own_tgid)
        && RECLAIMING.insert(&(both as u32), &now(), 0).is_err()
    {
        count_lost(lost::NO_ROOM);
    }
    0
}

#[inline(always)]
fn ends(whom: For) {
    if !on(duty::RECLAIM_LATENCY) {
        return;
    }
    let pid = bpf_get_current_pid_tgid() as u32;
    // SAFETY: the value is copied at once, and only this task's own hooks change it.
    let Some(since) = unsafe { RECLAIMING.get(&pid) }.copied() else {
        return;
    };
    let _ = RECLAIMING.remove(&pid);
    // SAFETY: a helper without arguments.
    let task: Kernel = unsafe { bpf_get_current_task_btf() }.cast();
    let group = load!(memory::memory_css(task), css_cgroup as Kernel);
    let Some(hist) =
        nearest(&RECLAIM_GROUPS, group).and_then(|index| RECLAIM_HISTS.get_ptr_mut(index))
    else {
        return;
    };
    let ns = now().wrapping_sub(since);
    let bucket = bucket(ns);
    // SAFETY: a map value; `bucket` stays below the number of buckets.
    unsafe {
        match whom {
            For::Limit => {
                add((&raw mut (*hist).group).cast::<u64>().add(bucket), 1);
                add(&raw mut (*hist).group_ns, ns);
            }
            For::Node => {
                add((&raw mut (*hist).node).cast::<u64>().add(bucket), 1);
                add(&raw mut (*hist).node_ns, ns);
            }
        }
    }
}
