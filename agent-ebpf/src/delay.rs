//! Delay by a loan: who uses no more than its own waits for a CPU behind who uses what was lent.
//!
//! Hook: `sched_switch`, when a task leaves the CPU and at the end of a wait that [`crate::runq`]
//! has measured. Minimum kernel: 5.5 (`tp_btf`), with `CONFIG_CFS_BANDWIDTH`.
//!
//! Whoever has had the CPU for [`TURN`] and uses what was lent is noted as it leaves. Of a wait
//! that ends later, what counts is the part in which that one had the CPU ([`crate::stretch`]), up
//! to [`LONGEST`]. Waits add up per borrower in a bucket that leaks; when it is full, one event
//! asks for the loan back.
//!
//! Cost: nothing for turns below [`TURN`] and waits below [`LATE`]; beyond, two bounded walks up
//! the tree.
//!
//! What it cannot see: a borrower that keeps others waiting by many turns below [`TURN`], the first
//! of two borrowers in one wait, and one on another CPU from which the waiting task was moved;
//! anything while the run-queue probe or the quota warning is off, since it lives on their figures.

use core::ptr;

use aya_ebpf::{macros::map, maps::PerCpuArray};
use trimtab_ebpf::{Level, MAX_LEVELS, Watch, kind};

use crate::{
    emit::{self, News, add, alarm},
    kernel::{Kernel, load},
    level::{cpu_watch, hierarchy_of, id_of, wants},
    quota::{NO_QUOTA, is_fair, level},
    stretch::{self, Cpu},
};

/// Turns below this, in ns, are not looked at.
const TURN: u64 = 250_000;

/// Waits below this, in ns, are what sharing a CPU costs.
const LATE: u64 = 1_000_000;

/// No wait counts for more than this, in ns: no single one is worth a loan.
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

/// Who used what was lent, when it last left a CPU.
#[repr(C)]
#[derive(Clone, Copy)]
struct Left {
    /// When that was.
    time: u64,
    /// The group of the task.
    leaf: u64,
    pid: u32,
    hierarchy: u32,
    /// The group to which was lent.
    lent: Level,
}

#[map]
static LEFT: PerCpuArray<Left> = PerCpuArray::with_max_entries(1, 0);

/// `prev` leaves the CPU.
#[inline(always)]
pub(crate) fn left(cpu: *mut Cpu, prev: Kernel, now: u64) {
    // SAFETY: a map value that only this CPU writes.
    let got = unsafe { (*cpu).got };
    if now.wrapping_sub(got) < TURN {
        return;
    }
    let borrower = borrower(prev);
    if borrower.watch.is_null() {
        return;
    }
    let cgroup = load!(load!(prev, task_group as Kernel), group_cgroup as Kernel);
    if let Some(left) = LEFT.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe {
            *left = Left {
                time: now,
                leaf: id_of(cgroup),
                pid: load!(prev, task_tgid as u32),
                hierarchy: hierarchy_of(cgroup),
                lent: level(borrower.group, cgroup),
            };
        }
    }
}

/// `next` gets the CPU at `now` after waiting for `ns`, and was not throttled.
#[inline(always)]
pub(crate) fn late(next: Kernel, ns: u64, now: u64) {
    if ns < LATE || !is_fair(next) {
        return;
    }
    let since = now.wrapping_sub(ns);
    let Some(left) = LEFT.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a map value that only this CPU writes.
    let Left {
        time,
        leaf,
        pid,
        hierarchy,
        ..
    } = unsafe { *left };
    if time < since {
        return;
    }
    let behind = behind(leaf, emit::cpu(), since, now);
    // SAFETY: as above.
    let borrower = unsafe { &(*left).lent };
    let Some(watch) = cpu_watch(borrower.id) else {
        return;
    };
    let lender = lender(next, watch);
    if lender.is_null() {
        return;
    }
    let delayed = pour(watch, behind.min(LONGEST), now);
    if delayed < FULL {
        return;
    }
    let next_leaf = load!(load!(next, task_group as Kernel), group_cgroup as Kernel);
    let waiting = level(lender, next_leaf);
    if alarm(&News {
        time: now,
        kind: kind::LOAN_DELAYS,
        pid,
        hierarchy,
        used: delayed,
        lowest: borrower,
        highest: &waiting,
    }) {
        // SAFETY: a map value; what another CPU has just added is lost.
        unsafe { (*watch).delayed = 0 };
    }
}

/// For how long the group `leaf` had the CPU in that time, in ns.
///
/// A function that the verifier follows once, and not again for every way that leads to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn behind(leaf: u64, cpu: u32, since: u64, now: u64) -> u64 {
    let mut behind = 0;
    if let Some(cpu) = stretch::cpu(cpu) {
        let _rest = stretch::between(cpu, since, now, |who, ns| {
            if who == leaf {
                behind += ns;
            }
        });
    }
    behind
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
