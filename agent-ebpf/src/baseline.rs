//! What the run-queue probe is compared with; never loaded by the agent.
//!
//! `baseline_empty` costs what any program on `sched_switch` costs. The others find the start of a
//! wait in a hash by pid, as most tools do: insert, look up, delete; everything else is the same.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::{btf_tracepoint, map},
    maps::HashMap,
    programs::BtfTracePointContext,
};

use crate::{
    emit::now,
    kernel::{Kernel, load},
    runq,
};

/// One entry until the benchmark asks for more, so that it costs the agent nothing.
#[map]
static BASELINE_STARTS: HashMap<u32, u64> = HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);

#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn baseline_empty(_ctx: BtfTracePointContext) -> i32 {
    0
}

#[btf_tracepoint(function = "sched_switch")]
pub(crate) fn baseline_switch(ctx: BtfTracePointContext) -> i32 {
    let preempted: u64 = ctx.arg(0);
    let prev: Kernel = ctx.arg(1);
    let next: Kernel = ctx.arg(2);
    let prev_pid = load!(prev, task_pid as u32);
    let now = now();
    if prev_pid != 0 && (preempted as u8 != 0 || load!(prev, task_state as u32) == 0) {
        let _ = BASELINE_STARTS.insert(&prev_pid, &now, 0);
    }
    let next_pid = load!(next, task_pid as u32);
    // SAFETY: the value is copied at once.
    if let Some(since) = unsafe { BASELINE_STARTS.get(&next_pid) }.copied() {
        runq::waited(
            next,
            runq::group_of(next),
            now.wrapping_sub(since),
            false,
            now,
        );
        let _ = BASELINE_STARTS.remove(&next_pid);
    }
    0
}

#[btf_tracepoint(function = "sched_wakeup")]
pub(crate) fn baseline_wakeup(ctx: BtfTracePointContext) -> i32 {
    woken(ctx.arg(0))
}

#[btf_tracepoint(function = "sched_wakeup_new")]
pub(crate) fn baseline_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    woken(ctx.arg(0))
}

#[inline(always)]
fn woken(task: Kernel) -> i32 {
    let _ = BASELINE_STARTS.insert(&load!(task, task_pid as u32), &now(), 0);
    0
}
