//! Delay by a loan: who uses no more than its own waits for a CPU behind who uses what was lent.
//!
//! Hook: `sched_switch`, at the end of a wait that [`crate::runq`] has measured.
//! Minimum kernel: 5.5 (`tp_btf`), with `CONFIG_CFS_BANDWIDTH`.
//!
//! Whoever leaves the CPU at that moment is taken for the cause of the whole wait, up to
//! [`LONGEST`]. Waits add up per borrower in a bucket that leaks; when it is full, one event asks
//! for the loan back.
//!
//! Cost: nothing for waits below [`LATE`]; beyond, two bounded walks up the tree.
//!
//! What it cannot see: the other tasks that had the CPU during a wait, so that a wait that ends
//! behind a short task in between counts for nobody; anything while the run-queue probe or the
//! quota warning is off, since it lives on their figures.

use core::ptr;

use trimtab_ebpf::{MAX_LEVELS, Watch, kind};

use crate::{
    emit::{add, alarm},
    kernel::{Kernel, load},
    level::{cpu_watch, hierarchy_of, id_of, wants},
    quota::{NO_QUOTA, is_fair, level},
};

/// Waits below this, in ns, are what sharing a CPU costs.
const LATE: u64 = 1_000_000;

/// No wait counts for more than this, in ns: the scheduler lets nobody run much longer, so that
/// others had a part in the rest.
const LONGEST: u64 = 4_000_000;

/// A full bucket, in ns of waiting: one late start is an accident.
const FULL: u64 = 8_000_000;

/// The bucket leaks a 2^-10 of the time: all others together may be kept waiting for 1 ms a second.
const LEAK: u32 = 10;

/// A group that has spent more than its own in this period, and its entry.
struct Borrower {
    group: Kernel,
    watch: *mut Watch,
}

/// `next` gets the CPU at `now` after waiting for `ns` behind `prev`, and was not throttled.
#[inline(always)]
pub(crate) fn late(prev: Kernel, next: Kernel, ns: u64, now: u64) {
    if ns < LATE || !is_fair(next) {
        return;
    }
    let borrower = borrower(prev);
    if borrower.watch.is_null() {
        return;
    }
    let lender = lender(next, borrower.watch);
    if lender.is_null() {
        return;
    }
    let delayed = pour(borrower.watch, ns.min(LONGEST), now);
    if delayed < FULL {
        return;
    }
    let prev_leaf = load!(load!(prev, task_group as Kernel), group_cgroup as Kernel);
    let next_leaf = load!(load!(next, task_group as Kernel), group_cgroup as Kernel);
    let (lent, waiting) = (level(borrower.group, prev_leaf), level(lender, next_leaf));
    let pid = load!(prev, task_tgid as u32);
    if alarm(
        now,
        kind::LOAN_DELAYS,
        pid,
        hierarchy_of(prev_leaf),
        delayed,
        &lent,
        &waiting,
    ) {
        // SAFETY: a map value; what another CPU has just added is lost.
        unsafe { (*borrower.watch).delayed = 0 };
    }
}

/// The lowest group above the task that has been given more than its own, and uses it.
#[inline(always)]
fn borrower(task: Kernel) -> Borrower {
    let mut group = load!(task, task_group as Kernel);
    for _ in 0..MAX_LEVELS {
        if group.is_null() {
            break;
        }
        let quota = load!(group, group_quota as u64);
        if quota != NO_QUOTA
            && let Some(watch) = cpu_watch(id_of(load!(group, group_cgroup as Kernel)))
            && wants(watch)
        {
            let own = own(watch);
            if own > 0 && quota > own && spent(watch, group) > own {
                return Borrower { group, watch };
            }
        }
        group = load!(group, group_parent as Kernel);
    }
    Borrower {
        group: ptr::null(),
        watch: ptr::null_mut(),
    }
}

/// The lowest group above the task that has something of its own, or null: when there is none, when
/// one of them uses more than that, too, and when the borrower is one of them.
#[inline(always)]
fn lender(task: Kernel, borrower: *mut Watch) -> Kernel {
    let mut lender: Kernel = ptr::null();
    let mut group = load!(task, task_group as Kernel);
    for _ in 0..MAX_LEVELS {
        if group.is_null() {
            break;
        }
        if let Some(watch) = cpu_watch(id_of(load!(group, group_cgroup as Kernel))) {
            let own = own(watch);
            if watch == borrower || (own > 0 && spent(watch, group) > own) {
                return ptr::null();
            }
            if own > 0 && lender.is_null() {
                lender = group;
            }
        }
        group = load!(group, group_parent as Kernel);
    }
    lender
}

#[inline(always)]
fn own(watch: *mut Watch) -> u64 {
    // SAFETY: a map value, which outlives the program's run.
    unsafe { (*watch).own }
}

/// What the group has spent of its present period.
#[inline(always)]
fn spent(watch: *mut Watch, group: Kernel) -> u64 {
    let period = u64::from(load!(group, group_periods as u32));
    // SAFETY: a map value, which outlives the program's run.
    unsafe {
        if (*watch).period == period {
            (*watch).spent
        } else {
            0
        }
    }
}

/// Adds to the bucket what a wait was worth, after what has leaked since the last one.
#[inline(always)]
fn pour(watch: *mut Watch, ns: u64, now: u64) -> u64 {
    // SAFETY: a map value; two CPUs at once lose one of two leaks, not the waits.
    unsafe {
        let leaked = now.wrapping_sub((*watch).delayed_at) >> LEAK;
        (*watch).delayed_at = now;
        (*watch).delayed = (*watch).delayed.saturating_sub(leaked);
        add(&raw mut (*watch).delayed, ns);
        (*watch).delayed
    }
}
