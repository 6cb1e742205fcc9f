//! The scheduler's hooks, each with all of its duties in one program: a second program on the same
//! hook would cost its dispatch again.
//!
//! Where the run-queue probe can be shed, a second program has the other duties of the hook; user
//! space attaches one of the two.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use trimtab_ebpf::{duty, kind};

use crate::{
    delay,
    emit::now,
    kernel::{Kernel, load, on},
    memory, quota, runq, stretch,
};

/// `sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next, ..)`
#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let preempted: u64 = ctx.arg(0);
    let prev: Kernel = ctx.arg(1);
    let next: Kernel = ctx.arg(2);
    let prev_pid = load!(prev, task_pid as u32);
    if on(duty::RUNQ_LATENCY)
        && let Some(cpu) = stretch::this_cpu()
    {
        // A task that is preempted between setting its state and sleeping stays in the queue.
        let goes_on =
            prev_pid != 0 && (preempted as u8 != 0 || load!(prev, task_state as u32) == 0);
        let next_pid = load!(next, task_pid as u32);
        // The clock is most of the cost: it is read once, and not at all on the way into idle.
        if next_pid == 0 {
            stretch::idles(cpu);
            if goes_on {
                runq::begins(prev, prev_pid, now());
            }
        } else {
            let now = now();
            if goes_on {
                runq::begins(prev, prev_pid, now);
            }
            let id = runq::group_of(next);
            let who = runq::who(next, id);
            let turns = !stretch::goes_on(cpu, who);
            if on(duty::LOAN_DELAYS) && turns && prev_pid != 0 {
                delay::left(cpu, prev, now);
            }
            if let Some((since, mark)) = runq::waiting(next_pid)
                && let Some(ns) = runq::ends(prev_pid, next, id, since, mark, now)
                && on(duty::LOAN_DELAYS)
            {
                delay::late(next, ns, now);
            }
            if turns {
                stretch::begins(cpu, who, now);
            }
        }
    }
    leaves(prev, prev_pid)
}

/// `sched_switch` without the run-queue probe and what lives on it.
#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn throttled_switch(ctx: BtfTracePointContext) -> i32 {
    let prev: Kernel = ctx.arg(1);
    leaves(prev, load!(prev, task_pid as u32))
}

#[inline(always)]
fn leaves(task: Kernel, pid: u32) -> i32 {
    if on(duty::THROTTLED_RUNNING) && pid != 0 && quota::is_throttled(task) {
        quota::throttled(kind::THROTTLED_RUNNING, task);
    }
    0
}

/// `sched_wakeup(struct task_struct *p)`
#[btf_tracepoint(function = "sched_wakeup")]
pub(crate) fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    woken(ctx.arg(0))
}

/// `sched_wakeup_new(struct task_struct *p)`
#[btf_tracepoint(function = "sched_wakeup_new")]
pub(crate) fn sched_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    woken(ctx.arg(0))
}

#[inline(always)]
fn woken(task: Kernel) -> i32 {
    if on(duty::RUNQ_LATENCY) {
        runq::begins(task, load!(task, task_pid as u32), now());
    }
    enters(task)
}

/// `sched_wakeup` without the run-queue probe.
#[btf_tracepoint(function = "sched_wakeup")]
pub(crate) fn throttled_wakeup(ctx: BtfTracePointContext) -> i32 {
    enters(ctx.arg(0))
}

/// `sched_wakeup_new` without the run-queue probe.
#[btf_tracepoint(function = "sched_wakeup_new")]
pub(crate) fn throttled_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    enters(ctx.arg(0))
}

#[inline(always)]
fn enters(task: Kernel) -> i32 {
    if on(duty::THROTTLED_WAKING) && quota::is_throttled(task) && quota::is_fair(task) {
        quota::throttled(kind::THROTTLED_WAKING, task);
    }
    0
}

/// `sched_stat_runtime(struct task_struct *tsk, u64 runtime, ..)`
#[btf_tracepoint(function = "sched_stat_runtime")]
pub(crate) fn sched_stat_runtime(ctx: BtfTracePointContext) -> i32 {
    let task: Kernel = ctx.arg(0);
    let ran: u64 = ctx.arg(1);
    if on(duty::QUOTA_NEAR) {
        quota::near(task, ran);
    }
    if on(duty::MEMORY_NEAR) {
        memory::near(task, ran);
    }
    0
}
