//! Run-queue waiting: a histogram per group, waiting behind others apart from waiting throttled.
//!
//! Hooks: `sched_wakeup`, `sched_wakeup_new` and `sched_switch`; see [`crate::sched`].
//! Minimum kernel: 5.5 (`tp_btf`).
//!
//! A task that begins to wait (woken, or taken off the CPU while it could go on) is noted in the
//! cell that its pid picks; when it gets the CPU, the cell says since when it waited.
//!
//! Cost, with [`crate::stretch`]: 94 to 104 ns per switch and 76 to 79 ns per wake-up beyond an empty
//! program, of which the clock takes about 50 each (6.18, x86-64, a virtual machine); 125 to 151 ns
//! per wake-run-sleep cycle, where the same with a hash by pid takes 454 to 470 and bpftrace's
//! `runqlat` 592 to 611. That was before the moment at which a group got a CPU was noted, a store for each
//! group and eighth of a second and a comparison otherwise; what that adds has not been measured.
//!
//! A wait counts as throttled when the task's group, or one above it, is throttled when it begins
//! or ends, or was so for some time in between. Since 6.18 a throttled group's tasks stay in the
//! queue until they return to user space, and are then taken out: that shows as a wait that begins
//! throttled.
//!
//! What it cannot see: a throttling in the middle of a wait during which the task was moved to
//! another CPU as well. Two tasks whose pids pick the same cell and that wait at once cost one
//! sample (counted), which cannot happen while pids stay below the number of cells.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use trimtab_ebpf::{GroupCell, RAN_GRAIN, RunqHist, bucket, lost};

use crate::{
    behind,
    emit::{self, add, count_lost},
    groups::place_of,
    kernel::{Kernel, has, load, offset, setting},
    level::id_of,
    quota::is_fair,
    stretch,
};

/// A task that waits.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    /// Since when, in ns of `CLOCK_MONOTONIC`.
    since: u64,
    /// The task; 0 when nobody waits here.
    pid: u32,
    /// What [`mark`] was then.
    mark: u32,
}

/// Resized by user space, to a power of two; user space maps it to empty all cells at once.
#[map]
static CELLS: Array<Cell> = Array::with_max_entries(1 << 16, BPF_F_MMAPABLE);

/// The ids of the groups of which user space wants a histogram: see [`crate::groups`].
#[map]
static RUNQ_GROUPS: Array<GroupCell> = Array::with_max_entries(2048, 0);

/// Their histograms, the one that many share first.
#[map]
static RUNQ_HISTS: Array<RunqHist> = Array::with_max_entries(2048, 0);

/// When a task of each group last got a CPU at the end of a wait, in 2^[`RAN_GRAIN`] ns, at the place of
/// the group's cell. User space maps it: that a group did nothing is known there without a call.
#[map]
static RUNQ_RAN: Array<u64> = Array::with_max_entries(2048, BPF_F_MMAPABLE);

/// A mark that no queue has: the group, or one above it, is throttled.
const THROTTLED: u32 = u32::MAX;
/// The bits of a mark that say which CPU.
const QUEUE: u32 = 0x7fff_0000;
/// The bits of a mark that say how long that queue has been throttled.
const TIME: u32 = 0x0000_ffff;

/// The task begins to wait.
#[inline(always)]
pub(crate) fn begins(task: Kernel, pid: u32, since: u64) {
    let mark = mark(task);
    if let Some(cell) = CELLS.get_ptr_mut(pid & setting!(cell_mask)) {
        // SAFETY: a map value; the run queue's lock orders the two ends of a task's wait.
        unsafe { *cell = Cell { since, pid, mark } };
    }
}

/// Something about the task's queue by which two moments can be compared: [`THROTTLED`], or whose
/// CPU it is (15 bits) and for how many microseconds it has ever been throttled (16 bits).
#[inline(always)]
fn mark(task: Kernel) -> u32 {
    if !has(offset!(task_queue)) || !has(offset!(queue_throttled)) {
        return 0;
    }
    let queue = load!(task, task_queue as Kernel);
    if load!(queue, queue_throttled as i32) > 0 {
        return THROTTLED;
    }
    if !has(offset!(queue_throttled_time)) || !has(offset!(task_cpu)) {
        return 0;
    }
    let time = (load!(queue, queue_throttled_time as u64) >> 10) as u32 & TIME;
    (load!(task, task_cpu as u32) << 16) & QUEUE | time
}

/// Whether the group was throttled between two marks. A task that has been moved to another CPU
/// is judged by how its wait began and ended.
#[inline(always)]
fn was_throttled(began: u32, ended: u32) -> bool {
    let same_queue = (began ^ ended) & QUEUE == 0;
    began == THROTTLED || ended == THROTTLED || (same_queue && began != ended)
}

/// Since when the task that gets the CPU has waited, and the mark of then; `None` when it has not
/// been seen to wait. Its cell is free again.
#[inline(always)]
pub(crate) fn waiting(pid: u32) -> Option<(u64, u32)> {
    // The idle task has nothing to wait for.
    if pid == 0 {
        return None;
    }
    let cell = CELLS.get_ptr_mut(pid & setting!(cell_mask))?;
    // SAFETY: a map value; the run queue's lock orders the two ends of a task's wait.
    let Cell {
        since,
        pid: noted,
        mark,
    } = unsafe { *cell };
    if noted != pid {
        if noted != 0 {
            count_lost(lost::COLLISION);
        }
        return None;
    }
    // SAFETY: as above.
    unsafe { (*cell).pid = 0 };
    Some((since, mark))
}

/// The task of the group `id` gets the CPU at the end of a wait; for how long it waited behind
/// others, in ns, if it was not throttled.
#[inline(always)]
pub(crate) fn ends(
    prev_pid: u32,
    task: Kernel,
    id: u64,
    since: u64,
    began: u32,
    now: u64,
) -> Option<u64> {
    if now < since {
        count_lost(lost::BACKWARDS);
        return None;
    }
    let (ns, throttled) = (now - since, was_throttled(began, mark(task)));
    let index = waited(task, id, ns, throttled, now);
    if throttled {
        return None;
    }
    if let Some(index) = index {
        // An idle CPU fetches what waits elsewhere.
        let there = if prev_pid == 0 { cpu_of(began) } else { None };
        behind::note(index, id, there.unwrap_or_else(emit::cpu), since, now);
    }
    Some(ns)
}

/// The CPU on which a wait began that was not throttled then.
#[inline(always)]
fn cpu_of(began: u32) -> Option<u32> {
    if !has(offset!(task_queue)) || !has(offset!(queue_throttled_time)) || !has(offset!(task_cpu)) {
        return None;
    }
    Some((began & QUEUE) >> 16)
}

/// The id of the task's group. In the root a session may be an autogroup, which is no cgroup's: the root's, then.
#[inline(always)]
pub(crate) fn group_of(task: Kernel) -> u64 {
    let group = load!(task, task_group as Kernel);
    let cgroup = load!(group, group_cgroup as Kernel);
    if cgroup.is_null() {
        let root = load!(group, group_parent as Kernel);
        return id_of(load!(root, group_cgroup as Kernel));
    }
    id_of(cgroup)
}

/// The id of the task's group, or [`stretch::SYSTEM`] for the root's: what [`crate::stretch`] keeps.
#[inline(always)]
pub(crate) fn who(task: Kernel, id: u64) -> u64 {
    let group = load!(task, task_group as Kernel);
    if load!(group, group_parent as Kernel).is_null()
        || load!(group, group_cgroup as Kernel).is_null()
    {
        stretch::SYSTEM
    } else {
        id
    }
}

/// Counts a wait of the task that is over `now` into the histogram of its group, and says where that is.
#[inline(always)]
pub(crate) fn waited(task: Kernel, id: u64, ns: u64, throttled: bool, now: u64) -> Option<u32> {
    let place = place_of(&RUNQ_GROUPS, id);
    let found = place.and_then(|(cell, index)| Some((cell, index, RUNQ_HISTS.get_ptr_mut(index)?)));
    let Some((cell, index, hist)) = found else {
        count_lost(lost::UNKNOWN_GROUP);
        return None;
    };
    ran(cell, now);
    let bucket = bucket(ns);
    // SAFETY: a map value; `bucket` stays below the number of buckets.
    unsafe {
        // Quotas are not for real-time tasks, whatever becomes of their group.
        if throttled && is_fair(task) {
            add((&raw mut (*hist).throttled).cast::<u64>().add(bucket), 1);
            add(&raw mut (*hist).throttled_ns, ns);
        } else {
            add((&raw mut (*hist).waiting).cast::<u64>().add(bucket), 1);
            add(&raw mut (*hist).waiting_ns, ns);
        }
    }
    Some(index)
}

/// Notes that a task of the group with this cell gets a CPU.
#[inline(always)]
fn ran(cell: u32, now: u64) {
    if let Some(ran) = RUNQ_RAN.get_ptr_mut(cell) {
        let now = now >> RAN_GRAIN;
        // SAFETY: a map value; two CPUs note the same, or times an eighth of a second apart.
        unsafe {
            if *ran != now {
                *ran = now;
            }
        }
    }
}
