//! CPU quota: nearly spent, and throttled.
//!
//! Hooks: `sched_stat_runtime` (nearly spent), `sched_switch` (throttled while running),
//! `sched_wakeup` and `sched_wakeup_new` (throttled while waking); see [`crate::sched`].
//! Minimum kernel: 5.5 (`tp_btf`), with `CONFIG_CFS_BANDWIDTH`.
//!
//! Cost beyond an empty program: 3 ns per switch and wake-up, 6 to 10 ns per accounting of run time
//! (with memory's), since the walk is taken once in 66 us of a task's run time.
//!
//! What it cannot see: the slices that CPUs have drawn from the pool and not yet used, so on many
//! CPUs a small pool is gone at once and the warning comes late; tasks of `sched_ext`, to which
//! quotas do not apply.

use trimtab_ebpf::{Level, MAX_LEVELS, Raised, Watch, kind, law, lost};

use crate::{
    emit::{News, add, alarm, count_lost, now},
    kernel::{Kernel, has, load, offset, setting},
    level::{Found, cpu_watch, depth_of, due, hierarchy_of, id_of, slot_of, wants},
};

/// The kernel's 'no quota'.
pub(crate) const NO_QUOTA: u64 = u64::MAX;

/// Priorities below this one are real-time or deadline: quotas are not for them.
const FIRST_FAIR_PRIO: i32 = 100;

/// A warning must come so long before the quota is spent, in ns: a running task's use is looked at
/// once a tick, every 4 ms at 250 Hz, and what a look finds spent is throttled by the same look.
const NOTICE: u64 = 5_000_000;

/// Run time is counted when a task's own run time crosses a multiple of 2^16 ns = 66 us: exact in
/// the long run, and next to nothing to do at the many short switches in between.
const GRAIN: u32 = 16;

/// How often `task`, whose run time has just grown by `ran` ns, crossed a multiple of 2^`grain` ns.
#[inline(always)]
pub(crate) fn crossed(task: Kernel, ran: u64, grain: u32) -> u64 {
    let total = load!(task, task_ran as u64);
    (total >> grain) - (total.wrapping_sub(ran) >> grain)
}

/// Whether quotas apply to the task.
#[inline(always)]
pub(crate) fn is_fair(task: Kernel) -> bool {
    load!(task, task_prio as i32) >= FIRST_FAIR_PRIO
}

/// Whether the task's group, or one above it, is throttled on the task's CPU.
#[inline(always)]
pub(crate) fn is_throttled(task: Kernel) -> bool {
    let queue = load!(task, task_queue as Kernel);
    load!(queue, queue_throttled as i32) > 0
}

/// Warns when a quota above `task` is nearly spent. `ran`: what has just been accounted, in ns.
#[inline(always)]
pub(crate) fn near(task: Kernel, ran: u64) {
    let crossed = crossed(task, ran, GRAIN);
    if crossed == 0 || !is_fair(task) {
        return;
    }
    let mut found = Found::nothing();
    let mut group = load!(task, task_group as Kernel);
    for _ in 0..MAX_LEVELS {
        if group.is_null() {
            break;
        }
        let quota = load!(group, group_quota as u64);
        if quota != NO_QUOTA {
            let left = load!(group, group_left as u64);
            if let Some(watch) = cpu_watch(id_of(load!(group, group_cgroup as Kernel))) {
                if is_near(
                    group,
                    quota,
                    left,
                    spend(watch, group, crossed << GRAIN),
                    usual(watch),
                ) {
                    if found.watch.is_null() && wants(watch) {
                        found.watch = watch;
                    }
                    found.note(group);
                }
            } else if is_near(group, quota, left, 0, 0) {
                found.note(group);
            }
        }
        group = load!(group, group_parent as Kernel);
    }
    if !group.is_null() {
        count_lost(lost::TOO_DEEP);
    }
    if !found.watch.is_null() {
        raise(kind::QUOTA_NEAR, task, &found);
    }
}

#[inline(always)]
fn usual(watch: *mut Watch) -> u64 {
    // SAFETY: a map value, which outlives the program's run.
    unsafe { (*watch).usual }
}

/// Counts run time into the period's sum, and returns it.
#[inline(always)]
fn spend(watch: *mut Watch, group: Kernel, ran: u64) -> u64 {
    let period = u64::from(load!(group, group_periods as u32));
    // SAFETY: a map value; that two CPUs begin a period at once costs some microseconds of its sum.
    unsafe {
        if (*watch).period != period {
            if (*watch).peak < (*watch).spent {
                (*watch).peak = (*watch).spent;
            }
            (*watch).period = period;
            (*watch).spent = 0;
        }
        add(&raw mut (*watch).spent, ran);
        (*watch).spent
    }
}

/// The law: whether this much left, after this much spent, is worth a warning. `spent` is 0 for a
/// group that is not watched.
#[inline(always)]
fn is_near(group: Kernel, quota: u64, left: u64, spent: u64, usual: u64) -> bool {
    // The pool shrinks by slices: of 10 ms, the second half is gone at once.
    let fixed = left < quota / 4 || (spent > 0 && spent + NOTICE >= quota);
    match setting!(law) {
        law::FIXED => fixed,
        law::BURN => burns(group, quota, left),
        law::FIXED_AND_BURN => fixed && burns(group, quota, left),
        _ => fixed && spent >= usual,
    }
}

/// Whether what is left will not last until the period ends at the rate of this period.
#[inline(always)]
fn burns(group: Kernel, quota: u64, left: u64) -> bool {
    if !has(offset!(group_period_end)) {
        return true;
    }
    let period = load!(group, group_period as u64);
    let remaining = load!(group, group_period_end as u64).wrapping_sub(now());
    // A timer that has expired but not yet run: the period is as good as over.
    if remaining > period {
        return false;
    }
    let elapsed = period - remaining;
    left.wrapping_mul(elapsed) < quota.wrapping_sub(left).wrapping_mul(remaining)
}

/// Raises an alarm when a group above `task` is throttled; call when [`is_throttled`].
#[inline(always)]
pub(crate) fn throttled(kind: u32, task: Kernel) {
    let mut found = Found::nothing();
    let mut queue = load!(task, task_queue as Kernel);
    let mut entity = load!(task, task_parent_entity as Kernel);
    let mut count = load!(queue, queue_throttled as i32);
    for _ in 0..MAX_LEVELS {
        if count <= 0 {
            break;
        }
        // A null entity, and its null queue, read as 0: the root is never throttled.
        let above = load!(entity, entity_queue as Kernel);
        let count_above = load!(above, queue_throttled as i32);
        let group = load!(queue, queue_group as Kernel);
        // The count includes every throttled level above: one that is throttled itself has one more than its parent.
        let itself = count > count_above;
        if let Some(watch) = cpu_watch(id_of(load!(group, group_cgroup as Kernel)))
            && wants(watch)
            && (found.watch.is_null() || (itself && found.lowest.is_null()))
        {
            found.watch = watch;
        }
        if itself {
            found.note(group);
        }
        queue = above;
        count = count_above;
        entity = load!(entity, entity_parent as Kernel);
    }
    if !found.watch.is_null() && !found.lowest.is_null() {
        raise(kind, task, &found);
    }
}

/// Sends the event, unless one like it has just been sent.
#[inline(always)]
fn raise(kind: u32, task: Kernel, found: &Found) {
    let raised = found.raised(matches!(kind, kind::QUOTA_NEAR | kind::MEMORY_NEAR));
    let now = now();
    let limit = load!(found.lowest, group_quota as u64);
    let period = load!(found.lowest, group_period as u64);
    let number = u64::from(load!(found.lowest, group_periods as u32));
    if !due(*raised, now, limit, number, period) {
        return;
    }
    let leaf = load!(load!(task, task_group as Kernel), group_cgroup as Kernel);
    let (lowest, highest) = (level(found.lowest, leaf), level(found.highest, leaf));
    if alarm(&News {
        time: now,
        kind,
        pid: load!(task, task_tgid as u32),
        hierarchy: hierarchy_of(leaf),
        used: u64::from(slot_of(Some(found.watch))),
        lowest: &lowest,
        highest: &highest,
    }) {
        *raised = Raised {
            time: now,
            limit,
            period: number,
        };
    }
}

/// A level as it stands.
#[inline(always)]
pub(crate) fn level(group: Kernel, leaf: Kernel) -> Level {
    let cgroup = load!(group, group_cgroup as Kernel);
    let id = id_of(cgroup);
    let limit = load!(group, group_quota as u64);
    Level {
        id,
        limit,
        used: limit.saturating_sub(load!(group, group_left as u64)),
        period: load!(group, group_period as u64),
        slot: slot_of(cpu_watch(id)),
        depth: depth_of(cgroup, leaf),
    }
}
