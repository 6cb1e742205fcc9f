//! Who had each CPU lately: its last stretches of run time, one per group and turn.
//!
//! Hook: `sched_switch`; see [`crate::sched`]. Minimum kernel: 5.5 (`tp_btf`).
//!
//! A stretch is noted where it begins, when another group than before gets the CPU, and ends where
//! the next one begins. Idle CPUs note nothing: what came before is then of no concern to whoever
//! begins to wait. How much of a stretch went to softirqs is known from [`crate::softirq`], which
//! cuts long stretches, so that a part of one has its own share.
//!
//! Cost: part of [`crate::runq`]'s; 24 bytes per stretch, [`KEPT`] of them per CPU.
//!
//! What it cannot see: more than the last [`KEPT`] stretches; hard interrupts and time stolen by a
//! hypervisor, which count as run time of whom they interrupt.

use aya_ebpf::{macros::map, maps::Array};

use crate::emit;

/// Stretches that are kept per CPU; a power of two.
const KEPT: usize = 32;

/// Softirqs cut a stretch that has lasted for so long, in ns: it bounds how far the part of a
/// stretch that lies within a wait may differ from the whole.
const GRAIN: u64 = 500_000;

/// Who has the CPU, besides groups with an id: the kernel's tasks, and those that no group governs.
pub(crate) const SYSTEM: u64 = 0;
/// Nobody, but for softirqs.
pub(crate) const IDLE: u64 = u64::MAX;

/// A group's turn on a CPU, or a piece of it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Stretch {
    /// When it began, in ns of `CLOCK_MONOTONIC`.
    since: u64,
    /// For how long softirqs had ever run on the CPU then, in ns.
    softirq_ns: u64,
    /// The group's id, [`SYSTEM`] or [`IDLE`].
    who: u64,
}

/// What is known of one CPU. Only the CPU itself writes it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    /// How many stretches have begun since the CPU was last idle.
    count: u64,
    /// When the group that has the CPU got it.
    pub(crate) got: u64,
    /// For how long softirqs have ever run, in ns.
    pub(crate) softirq_ns: u64,
    /// When the softirq that runs began; 0 when none runs.
    pub(crate) softirq_since: u64,
    kept: [Stretch; KEPT],
}

/// By number of the CPU. Resized by user space.
#[map]
static CPUS: Array<Cpu> = Array::with_max_entries(1, 0);

/// What is known of a CPU by its number.
#[inline(always)]
pub(crate) fn cpu(number: u32) -> Option<*mut Cpu> {
    CPUS.get_ptr_mut(number)
}

/// What is known of the CPU on which this runs.
#[inline(always)]
pub(crate) fn this_cpu() -> Option<*mut Cpu> {
    cpu(emit::cpu())
}

/// The CPU has nothing to run.
#[inline(always)]
pub(crate) fn idles(cpu: *mut Cpu) {
    // SAFETY: a map value, which outlives the program's run.
    unsafe { (*cpu).count = 0 };
}

/// Whether the group `who` had the CPU already.
#[inline(always)]
pub(crate) fn goes_on(cpu: *mut Cpu, who: u64) -> bool {
    // SAFETY: a map value that only this CPU writes.
    unsafe {
        let count = (*cpu).count;
        count > 0 && (*last(cpu, count)).who == who
    }
}

/// A task of the group `who` gets the CPU.
#[inline(always)]
pub(crate) fn begins(cpu: *mut Cpu, who: u64, now: u64) {
    // SAFETY: a map value that only this CPU writes.
    unsafe {
        (*cpu).got = now;
        push(cpu, who, now);
    }
}

/// Cuts the present stretch if it is long; called when softirqs begin and end.
#[inline(always)]
pub(crate) fn cut(cpu: *mut Cpu, now: u64) {
    // SAFETY: a map value that only this CPU writes.
    unsafe {
        let count = (*cpu).count;
        if count == 0 {
            push(cpu, IDLE, now);
            return;
        }
        let Stretch { since, who, .. } = *last(cpu, count);
        if now.wrapping_sub(since) >= GRAIN {
            push(cpu, who, now);
        }
    }
}

/// The stretch before the one that will be number `count`.
#[inline(always)]
unsafe fn last(cpu: *mut Cpu, count: u64) -> *mut Stretch {
    // SAFETY: the index stays below the number of stretches.
    unsafe { &raw mut (*cpu).kept[(count.wrapping_sub(1) as usize) & (KEPT - 1)] }
}

#[inline(always)]
unsafe fn push(cpu: *mut Cpu, who: u64, now: u64) {
    // SAFETY: a map value that only this CPU writes.
    unsafe {
        let count = (*cpu).count + 1;
        *last(cpu, count) = Stretch {
            since: now,
            softirq_ns: (*cpu).softirq_ns,
            who,
        };
        (*cpu).count = count;
    }
}

/// What else there was in a time, in ns.
pub(crate) struct Rest {
    /// Softirqs, in whoever's name.
    pub(crate) softirq: u64,
    /// The CPU had nothing to run.
    pub(crate) idle: u64,
    /// Too many stretches ago.
    pub(crate) forgotten: u64,
}

/// Hands to `each` who had the CPU from `since` to `now`, and for how long without softirqs, the
/// last first. Another CPU may write meanwhile: what is then read is no worse than wrong.
#[inline(always)]
pub(crate) fn between(cpu: *mut Cpu, since: u64, now: u64, mut each: impl FnMut(u64, u64)) -> Rest {
    // SAFETY: a map value, which outlives the program's run.
    let (count, mut softirq_ns) = unsafe { ((*cpu).count, (*cpu).softirq_ns) };
    let mut rest = Rest {
        softirq: 0,
        idle: 0,
        forgotten: 0,
    };
    let mut until = now;
    for back in 0..KEPT as u64 {
        if back >= count || until <= since {
            break;
        }
        // SAFETY: a map value, which outlives the program's run.
        let stretch = unsafe { *last(cpu, count - back) };
        let whole = until.saturating_sub(stretch.since);
        let part = whole.min(until - since);
        let softirq = share(softirq_ns.saturating_sub(stretch.softirq_ns), part, whole);
        rest.softirq += softirq;
        each(stretch.who, part - softirq);
        until = stretch.since;
        softirq_ns = stretch.softirq_ns;
    }
    if until > since {
        if count > KEPT as u64 {
            rest.forgotten = until - since;
        } else {
            rest.idle = until - since;
        }
    }
    rest
}

/// As much of `ns` as `part` is of `whole`, and no more than `part`.
#[inline(always)]
fn share(ns: u64, part: u64, whole: u64) -> u64 {
    if ns == 0 || part == whole {
        return ns.min(part);
    }
    // Shifted so that the product of two quarters of a minute still fits.
    let share = ns.wrapping_mul(part >> 6).checked_div(whole >> 6);
    share.unwrap_or(ns).min(part)
}
