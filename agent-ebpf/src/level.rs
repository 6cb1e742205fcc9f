//! The levels of the cgroup tree: a bounded walk upwards, and who watches which.

use core::ptr;

use aya_ebpf::{macros::map, maps::HashMap};
use trimtab_ebpf::{NO_SLOT, Raised, Watch};

use crate::kernel::{Kernel, load};

/// The CPU groups that are watched, by the id of their directory. Resized by user space.
#[map]
static CPU_WATCH: HashMap<u64, Watch> = HashMap::with_max_entries(4096, 0);

/// The memory groups that are watched, by the id of their directory. Resized by user space.
#[map]
static MEMORY_WATCH: HashMap<u64, Watch> = HashMap::with_max_entries(4096, 0);

/// Never more than one event of a kind group in this time.
const LEAST_GAP: u64 = 1_000_000;

/// What a walk found on its way up: pointers only, since every value that is kept multiplies the
/// states that the verifier has to look at.
pub(crate) struct Found {
    /// The lowest level that is at its limit, or null.
    pub(crate) lowest: Kernel,
    /// The highest one, or null.
    pub(crate) highest: Kernel,
    /// The entry that decides whether an event is raised, or null.
    pub(crate) watch: *mut Watch,
}

impl Found {
    #[inline(always)]
    pub(crate) fn nothing() -> Self {
        Self {
            lowest: ptr::null(),
            highest: ptr::null(),
            watch: ptr::null_mut(),
        }
    }

    /// Notes a level that is at its limit.
    #[inline(always)]
    pub(crate) fn note(&mut self, level: Kernel) {
        if self.lowest.is_null() {
            self.lowest = level;
        }
        self.highest = level;
    }

    /// The rate limit of warnings, or of alarms; call when `watch` is not null.
    #[inline(always)]
    pub(crate) fn raised<'a>(&self, warning: bool) -> &'a mut Raised {
        // SAFETY: a map value, which outlives the program's run; two CPUs at once raise one event more.
        unsafe {
            if warning {
                &mut (*self.watch).warned
            } else {
                &mut (*self.watch).alarmed
            }
        }
    }
}

/// The id of a cgroup's directory; 0 when it is going away (or was never there: an autogroup).
#[inline(always)]
pub(crate) fn id_of(cgroup: Kernel) -> u64 {
    load!(load!(cgroup, cgroup_node as Kernel), node_id as u64)
}

/// The id of the hierarchy that a cgroup belongs to; 0 for cgroup v2.
#[inline(always)]
pub(crate) fn hierarchy_of(cgroup: Kernel) -> u32 {
    load!(load!(cgroup, cgroup_root as Kernel), root_hierarchy as u32)
}

/// How far a cgroup lies above another.
#[inline(always)]
pub(crate) fn depth_of(cgroup: Kernel, leaf: Kernel) -> u32 {
    load!(leaf, cgroup_level as u32).wrapping_sub(load!(cgroup, cgroup_level as u32))
}

/// The entry of a watched CPU group.
#[inline(always)]
pub(crate) fn cpu_watch(id: u64) -> Option<*mut Watch> {
    CPU_WATCH.get_ptr_mut(&id)
}

/// The entry of a watched memory group.
#[inline(always)]
pub(crate) fn memory_watch(id: u64) -> Option<*mut Watch> {
    MEMORY_WATCH.get_ptr_mut(&id)
}

/// The slot of an entry.
#[inline(always)]
pub(crate) fn slot_of(watch: Option<*mut Watch>) -> u32 {
    match watch {
        // SAFETY: a map value, which outlives the program's run.
        Some(watch) => unsafe { (*watch).slot },
        None => NO_SLOT,
    }
}

/// Whether an entry wants events.
#[inline(always)]
pub(crate) fn wants(watch: *mut Watch) -> bool {
    // SAFETY: a map value, which outlives the program's run.
    unsafe { (*watch).muted == 0 }
}

/// Whether the rate limit lets an event through: at most one per millisecond, and under the same
/// limit at most one per period.
#[inline(always)]
pub(crate) fn due(last: Raised, now: u64, limit: u64, number: u64, period: u64) -> bool {
    let since = now.wrapping_sub(last.time);
    since >= LEAST_GAP && (limit != last.limit || number != last.period || since >= period)
}
