//! Softirq time of each CPU: what of a wait was no task's doing.
//!
//! Hooks: `softirq_entry` and `softirq_exit`. Minimum kernel: 5.5 (`tp_btf`).
//!
//! The kernel keeps this itself only with `CONFIG_IRQ_TIME_ACCOUNTING`, which many distributions
//! leave out, since it, too, looks at the clock twice.
//!
//! Cost: 76 ns per entry and 52 ns per exit beyond an empty program, of which the clock takes about 50
//! each (6.18, x86-64, a virtual machine, under 170,000 softirqs a second).
//!
//! What it cannot see: hard interrupts, which count as time of whom they interrupt, or as a
//! softirq's. A softirq counts as one whoever caused it, in `ksoftirqd` and within a system call
//! as well.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use trimtab_ebpf::duty;

use crate::{emit::now, kernel::on, stretch};

/// `softirq_entry(unsigned int vec_nr)`
#[btf_tracepoint(function = "softirq_entry")]
pub(crate) fn softirq_entry(_ctx: BtfTracePointContext) -> i32 {
    if on(duty::SOFTIRQ_TIME)
        && let Some(cpu) = stretch::this_cpu()
    {
        let now = now();
        stretch::cut(cpu, now);
        // SAFETY: a map value that only this CPU writes; softirqs do not interrupt each other.
        unsafe { (*cpu).softirq_since = now };
    }
    0
}

/// `softirq_exit(unsigned int vec_nr)`
#[btf_tracepoint(function = "softirq_exit")]
pub(crate) fn softirq_exit(_ctx: BtfTracePointContext) -> i32 {
    if on(duty::SOFTIRQ_TIME)
        && let Some(cpu) = stretch::this_cpu()
    {
        // SAFETY: as above.
        let since = unsafe { (*cpu).softirq_since };
        // The first one may have begun before anybody listened.
        if since != 0 {
            let now = now();
            // SAFETY: as above.
            unsafe {
                (*cpu).softirq_ns += now.saturating_sub(since);
                (*cpu).softirq_since = 0;
            }
            stretch::cut(cpu, now);
        }
    }
    0
}
