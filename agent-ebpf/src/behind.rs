//! Behind whom a group's tasks wait for a CPU.
//!
//! Hook: `sched_switch`, at the end of a wait that [`crate::runq`] has measured.
//! Minimum kernel: 5.5 (`tp_btf`).
//!
//! Whoever leaves the CPU at that moment is taken for the cause of the whole wait.
//!
//! Cost: nothing for waits below [`SHORT`]; beyond, a look at up to [`BEHIND`] cells.
//!
//! What it cannot see: interrupts, which run in the name of whom they interrupt; who else had the
//! CPU during a wait. A short task that comes in between, often the kernel's, takes the blame for
//! the long one before it.

use aya_ebpf::{macros::map, maps::Array};
use trimtab_ebpf::{BEHIND, RunqBehind};

use crate::{
    emit::add,
    kernel::{Kernel, load},
    level::id_of,
};

/// Waits below this, in ns, are what a switch and a wake-up take.
const SHORT: u64 = 20_000;

/// At the same indices as the histograms.
#[map]
static RUNQ_BEHIND: Array<RunqBehind> = Array::with_max_entries(2048, 0);

/// A task of the group `own`, whose histogram has this index, waited behind `prev`.
#[inline(always)]
pub(crate) fn note(index: u32, own: u64, prev: Kernel, ns: u64) {
    if ns < SHORT {
        return;
    }
    let Some(behind) = RUNQ_BEHIND.get_ptr_mut(index) else {
        return;
    };
    // SAFETY: a map value; its fields are only ever added to, but for a new name in a free cell.
    unsafe {
        if load!(prev, task_pid as u32) == 0 {
            add(&raw mut (*behind).idle_ns, ns);
            return;
        }
        let group = load!(prev, task_group as Kernel);
        if load!(group, group_parent as Kernel).is_null() {
            add(&raw mut (*behind).system_ns, ns);
            return;
        }
        let id = id_of(load!(group, group_cgroup as Kernel));
        if id == own {
            add(&raw mut (*behind).siblings_ns, ns);
            return;
        }
        for cell in 0..BEHIND {
            let named = &raw mut (*behind).ids[cell];
            if *named == 0 {
                // Two CPUs at once may both take the cell: the one that comes second has it.
                *named = id;
            }
            if *named == id {
                add(&raw mut (*behind).ns[cell], ns);
                return;
            }
        }
        add(&raw mut (*behind).unnamed_ns, ns);
    }
}
