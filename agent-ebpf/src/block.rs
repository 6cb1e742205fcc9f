//! Block I/O: how long reads and writes take and how many bytes they move, per group.
//!
//! Hooks: `block_rq_issue`, `block_rq_complete`. Minimum kernel: 5.11 (before, `block_rq_issue`
//! had another first argument), with `CONFIG_BLK_CGROUP`.
//!
//! Latency is from when the driver gets the request until it is done. The request's own stamp of
//! that moment (`io_start_time_ns`) is there only while something in the kernel wants statistics
//! of that device, such as writeback throttling, which an administrator may have switched off, and
//! since 6.9 may be older than the moment; so the probe notes it itself, by the request's address.
//! The time before that, in the queue, is by the request's stamp of when it was made.
//!
//! The group is the one that the kernel charges for the request's first `bio`; requests of
//! different groups are never merged. It is the nearest one, from there upwards, that somebody asks about.
//!
//! Cost: 376 ns per issue and 459 ns per completion, what the kernel's statistics themselves take
//! included (`kernel.bpf_stats_enabled`, 5,000 requests one after the other; 6.18, x86-64, a virtual
//! machine).
//!
//! What it cannot see: on cgroup v2, a group without the `io` controller: its requests are charged to
//! the nearest group above that has it. What was written to the page cache is charged to the writer
//! on v2 where its file system takes part in cgroup writeback, and to nobody on v1; a journal's own
//! writes to nobody. Requests that are merged are one. Flushes, discards, zone commands and what is
//! passed through to a device are not counted; how long a flush delays a write is part of its
//! time in the queue. A request to a stacked device that makes requests of its own (a loop device) is
//! counted there and below; one to a device without requests (LVM, MD, zram) only below. Bytes
//! of a request that failed are left out. Where statistics are switched off for a device
//! (`queue/iostats`), the time in the queue is unknown. On 6.18 some completions
//! (up to 65, for a few milliseconds at a time) were not handed to the program although the kernel's
//! own trace had them, and not counted as missed; why is not known. A file system over a network has no requests.

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap},
    programs::BtfTracePointContext,
};
use trimtab_ebpf::{BlockHist, GroupCell, bucket, duty, lost};

use crate::{
    emit::{add, count_lost, now},
    groups::nearest,
    kernel::{Kernel, has, load, offset, on},
};

/// When the driver got a request, by the request's address.
#[map]
static ISSUED: HashMap<u64, u64> = HashMap::with_max_entries(8192, 0);

/// The ids of the groups of which user space wants a histogram: see [`crate::groups`].
#[map]
static BLOCK_GROUPS: Array<GroupCell> = Array::with_max_entries(2048, 0);

/// Their histograms, the one that many share first.
#[map]
static BLOCK_HISTS: Array<BlockHist> = Array::with_max_entries(2048, 0);

/// The bits of a request's flags that say what it does (`REQ_OP_MASK`).
const OPERATION: u32 = 0xff;
/// `REQ_OP_READ`.
const READ: u32 = 0;
/// `REQ_OP_WRITE`.
const WRITE: u32 = 1;

/// `block_rq_issue(struct request *rq)`
#[btf_tracepoint(function = "block_rq_issue")]
pub(crate) fn block_rq_issue(ctx: BtfTracePointContext) -> i32 {
    let request: Kernel = ctx.arg(0);
    if on(duty::BLOCK_LATENCY)
        && operation(request) <= WRITE
        && ISSUED.insert(&(request as u64), &now(), 0).is_err()
    {
        count_lost(lost::NO_ROOM);
    }
    0
}

/// `block_rq_complete(struct request *rq, blk_status_t error, unsigned int nr_bytes)`
#[btf_tracepoint(function = "block_rq_complete")]
pub(crate) fn block_rq_complete(ctx: BtfTracePointContext) -> i32 {
    let request: Kernel = ctx.arg(0);
    if on(duty::BLOCK_LATENCY) && operation(request) <= WRITE {
        let error: u64 = ctx.arg(1);
        completes(request, error as u8 == 0, ctx.arg(2));
    }
    0
}

#[inline(always)]
fn operation(request: Kernel) -> u32 {
    load!(request, request_flags as u32) & OPERATION
}

/// So many bytes of the request are done; a device may complete one in parts.
#[inline(always)]
fn completes(request: Kernel, succeeded: bool, bytes: u32) {
    let whole = bytes >= load!(request, request_length as u32);
    let key = request as u64;
    // SAFETY: the value is copied at once.
    let since = unsafe { ISSUED.get(&key) }.copied();
    if whole && since.is_some() {
        let _ = ISSUED.remove(&key);
    }
    let bio = load!(request, request_bio as Kernel);
    let owner = load!(load!(bio, bio_owner as Kernel), owner_group as Kernel);
    let group = load!(owner, block_cgroup as Kernel);
    let Some(hist) = nearest(&BLOCK_GROUPS, group).and_then(|index| BLOCK_HISTS.get_ptr_mut(index))
    else {
        return;
    };
    let reads = operation(request) == READ;
    if succeeded {
        // SAFETY: a map value.
        let total = unsafe {
            if reads {
                &raw mut (*hist).read_bytes
            } else {
                &raw mut (*hist).written_bytes
            }
        };
        add(total, u64::from(bytes));
    }
    if let Some(since) = since
        && whole
    {
        taken(hist, reads, now().wrapping_sub(since));
        if has(offset!(request_made)) {
            let made = load!(request, request_made as u64);
            if made != 0 && made <= since {
                waited(hist, since - made);
            }
        }
    }
}

#[inline(always)]
fn taken(hist: *mut BlockHist, reads: bool, ns: u64) {
    let bucket = bucket(ns);
    // SAFETY: a map value; `bucket` stays below the number of buckets.
    unsafe {
        if reads {
            add((&raw mut (*hist).read).cast::<u64>().add(bucket), 1);
            add(&raw mut (*hist).read_ns, ns);
        } else {
            add((&raw mut (*hist).written).cast::<u64>().add(bucket), 1);
            add(&raw mut (*hist).written_ns, ns);
        }
    }
}

#[inline(always)]
fn waited(hist: *mut BlockHist, ns: u64) {
    let bucket = bucket(ns);
    // SAFETY: a map value; `bucket` stays below the number of buckets.
    unsafe {
        add((&raw mut (*hist).queued).cast::<u64>().add(bucket), 1);
        add(&raw mut (*hist).queued_ns, ns);
    }
}
