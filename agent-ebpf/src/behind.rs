//! Behind whom a group's tasks wait for a CPU.
//!
//! Hook: `sched_switch`, at the end of a wait that [`crate::runq`] has measured.
//! Minimum kernel: 5.5 (`tp_btf`).
//!
//! A wait is divided among those who had the CPU during it, each by its share: see
//! [`crate::stretch`].
//!
//! Cost: nothing for waits below [`SHORT`]; beyond, a walk over the turns in the wait, and for each a
//! look at up to [`BEHIND`] cells. Not measured by itself: waits so long cannot be many.
//!
//! What it cannot see: when a waiting task was moved. Its wait is divided as if it had waited in
//! one place: on the CPU that it gets, or, if that one was idle, where it began to wait.

use aya_ebpf::{macros::map, maps::Array};
use trimtab_ebpf::{BEHIND, RunqBehind};

use crate::{
    emit::add,
    stretch::{self, IDLE, SYSTEM},
};

/// Waits below this, in ns, are what a switch and a wake-up take.
const SHORT: u64 = 20_000;

/// At the same indices as the histograms.
#[map]
static RUNQ_BEHIND: Array<RunqBehind> = Array::with_max_entries(2048, 0);

/// A task of the group `own`, whose histogram has this index, waited on this CPU.
#[inline(always)]
pub(crate) fn note(index: u32, own: u64, cpu: u32, since: u64, now: u64) {
    if now - since >= SHORT {
        divide(index, own, cpu, since, now);
    }
}

/// A function that the verifier follows once, and not again for every way that leads to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn divide(index: u32, own: u64, cpu: u32, since: u64, now: u64) -> u32 {
    let (Some(behind), Some(cpu)) = (RUNQ_BEHIND.get_ptr_mut(index), stretch::cpu(cpu)) else {
        return 0;
    };
    let rest = stretch::between(cpu, since, now, |who, ns| blame(behind, own, who, ns));
    // SAFETY: a map value, which outlives the program's run.
    unsafe {
        add(&raw mut (*behind).interrupts_ns, rest.softirq);
        add(&raw mut (*behind).idle_ns, rest.idle);
        add(&raw mut (*behind).unnamed_ns, rest.forgotten);
    }
    0
}

#[inline(always)]
fn blame(behind: *mut RunqBehind, own: u64, who: u64, ns: u64) {
    // SAFETY: a map value; its fields are only ever added to, but for a new name in a free cell.
    unsafe {
        let known = match who {
            SYSTEM => &raw mut (*behind).system_ns,
            IDLE => &raw mut (*behind).idle_ns,
            who if who == own => &raw mut (*behind).siblings_ns,
            _ => {
                for cell in 0..BEHIND {
                    let named = &raw mut (*behind).ids[cell];
                    if *named == 0 {
                        // Two CPUs at once may both take the cell: the one that comes second has it.
                        *named = who;
                    }
                    if *named == who {
                        add(&raw mut (*behind).ns[cell], ns);
                        return;
                    }
                }
                &raw mut (*behind).unnamed_ns
            }
        };
        add(known, ns);
    }
}
