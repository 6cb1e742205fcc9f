//! Memory: nearly full, reclaim that finds nothing, and the OOM killer's victims.
//!
//! Hooks: `sched_stat_runtime` (nearly full; see [`crate::sched`]), `mm_vmscan_memcg_reclaim_end`
//! (see [`crate::reclaim`]), `mark_victim`. Minimum kernel: 5.11 (`bpf_get_current_task_btf`).
//!
//! Cost: see [`crate::quota`]; the walk is taken once in 0.26 ms of a task's run time.
//!
//! What it cannot see: what fills the group. A page cache that fills it looks like need and has to
//! be told apart by reading `memory.stat`. Memory charged by a task to a group that is not its own.

use aya_ebpf::{
    helpers::{bpf_probe_read_kernel, generated::bpf_get_current_task_btf},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use trimtab_ebpf::{Level, MAX_LEVELS, Raised, UNLIMITED, Watch, duty, kind, lost};

use crate::{
    emit::{News, alarm, count_lost, now, tell},
    kernel::{Kernel, load, offset, on, setting},
    level::{Found, depth_of, due, hierarchy_of, id_of, memory_watch, slot_of, wants},
    log::say,
    quota::crossed,
};

/// Memory is looked at when a task's own run time crosses a multiple of 2^18 ns = 0.26 ms: nobody
/// fills much memory without running.
const GRAIN: u32 = 18;

/// Page counters at or above this many pages are unlimited: the kernel's own maximum differs with
/// the page size, and no machine has as much.
const UNLIMITED_PAGES: u64 = 1 << 48;

/// Reclaim that returned with fewer pages has found nothing.
const FOUND_SOMETHING: u64 = 4;

/// While the limit stays the same, warnings come at gaps that double from the first to the last:
/// a group that is full of page cache is full for ever, and well.
const FIRST_GAP: u64 = 4_000_000;
const LAST_GAP: u64 = 32_000_000;

/// After such a time without an event the gaps begin anew.
const QUIET: u64 = 1_000_000_000;

const PF_KTHREAD: u32 = 0x0020_0000;

/// How full a level has to be.
#[derive(Clone, Copy, PartialEq)]
enum Fill {
    /// More than three quarters.
    Near,
    /// No room for another batch of pages.
    Full,
}

/// Warns when a memory limit above `task` is nearly reached. `ran`: what has just been accounted.
#[inline(always)]
pub(crate) fn near(task: Kernel, ran: u64) {
    if crossed(task, ran, GRAIN) == 0 {
        return;
    }
    let found = walk(task, Fill::Near);
    if !found.watch.is_null() {
        raise(kind::MEMORY_NEAR, task, &found);
    }
}

/// `mm_vmscan_memcg_reclaim_end` without the histograms of [`crate::reclaim`].
#[btf_tracepoint(function = "mm_vmscan_memcg_reclaim_end")]
pub(crate) fn failing_reclaim_end(ctx: BtfTracePointContext) -> i32 {
    reclaimed(ctx.arg(0));
    0
}

/// Alarms when a turn of reclaim for a limit freed next to nothing. `pages`: how many it freed.
#[inline(always)]
pub(crate) fn reclaimed(pages: u64) {
    if !on(duty::RECLAIM_FAILING) || pages >= FOUND_SOMETHING {
        return;
    }
    // SAFETY: a helper without arguments.
    let task: Kernel = unsafe { bpf_get_current_task_btf() }.cast();
    // Our own writes of a lower limit reclaim as well, and so do kernel workers.
    if load!(task, task_flags as u32) & PF_KTHREAD != 0
        || load!(task, task_tgid as u32) == setting!(own_tgid)
    {
        return;
    }
    let found = walk(task, Fill::Full);
    if !found.watch.is_null() && !found.lowest.is_null() {
        raise(kind::RECLAIM_FAILING, task, &found);
    }
}

/// `mark_victim(struct task_struct *task, uid_t uid)`, before 6.8 `mark_victim(int pid)`
#[btf_tracepoint(function = "mark_victim")]
pub(crate) fn mark_victim(ctx: BtfTracePointContext) -> i32 {
    if !on(duty::OOM_KILL) {
        return 0;
    }
    if setting!(victim_is_task) != 0 {
        let victim: Kernel = ctx.arg(0);
        let pid = load!(victim, task_pid as u32);
        say!(&ctx, "the OOM killer chose pid {}", pid);
        killed(victim, pid);
    } else {
        // The task that found no memory stands for its victim: they share the group that ran out.
        // SAFETY: a helper without arguments.
        let task: Kernel = unsafe { bpf_get_current_task_btf() }.cast();
        killed(task, ctx.arg(0));
    }
    0
}

#[inline(always)]
fn killed(task: Kernel, pid: u32) {
    let own = memory_css(task);
    let leaf = load!(own, css_cgroup as Kernel);
    let found = walk(task, Fill::Full);
    let lowest = level(nearest_watched(own), leaf);
    let highest = if found.highest.is_null() {
        lowest
    } else {
        level(found.highest, leaf)
    };
    tell(&News {
        time: now(),
        kind: kind::OOM_KILL,
        pid,
        hierarchy: hierarchy_of(leaf),
        used: u64::from(pid),
        lowest: &lowest,
        highest: &highest,
    });
}

/// The lowest watched level from `css` upwards, or `css` itself.
#[inline(always)]
fn nearest_watched(css: Kernel) -> Kernel {
    let mut at = css;
    // No look whether the root has been passed: above it every load reads 0, which nobody watches,
    // and the compiler would put a constant in the place of a pointer that it has seen to be null.
    for _ in 0..MAX_LEVELS {
        if memory_watch(id_of(load!(at, css_cgroup as Kernel))).is_some() {
            return at;
        }
        at = load!(at, css_parent as Kernel);
    }
    css
}

/// The task's memory group: its `css` is the first member of its `mem_cgroup`.
#[inline(always)]
pub(crate) fn memory_css(task: Kernel) -> Kernel {
    load!(load!(task, task_cgroups as Kernel), set_memory as Kernel)
}

/// Looks for levels that are as full as `fill`, from the task's own group upwards. An alarm is
/// also for who watches a level below the full one; a warning is not.
#[inline(always)]
fn walk(task: Kernel, fill: Fill) -> Found {
    let mut found = Found::nothing();
    let mut css = memory_css(task);
    for _ in 0..MAX_LEVELS {
        if css.is_null() {
            break;
        }
        let fills = fills(css, fill);
        if (fills || fill == Fill::Full)
            && (found.watch.is_null() || (fills && found.lowest.is_null()))
            && let Some(watch) = memory_watch(id_of(load!(css, css_cgroup as Kernel)))
            && wants(watch)
            && (fill == Fill::Full || is_unusual(watch, css))
        {
            found.watch = watch;
        }
        if fills {
            found.note(css);
        }
        css = load!(css, css_parent as Kernel);
    }
    if !css.is_null() {
        count_lost(lost::TOO_DEEP);
    }
    found
}

#[inline(always)]
fn fills(css: Kernel, fill: Fill) -> bool {
    let limit = moving_limit(css);
    let room = match fill {
        Fill::Near => limit / 4,
        Fill::Full => limit / 32,
    };
    limit < UNLIMITED_PAGES && usage(css) > limit - room
}

#[inline(always)]
fn is_unusual(watch: *mut Watch, css: Kernel) -> bool {
    // SAFETY: a map value, which outlives the program's run.
    bytes(usage(css)) >= unsafe { (*watch).usual }
}

#[inline(always)]
fn level(css: Kernel, leaf: Kernel) -> Level {
    let cgroup = load!(css, css_cgroup as Kernel);
    let id = id_of(cgroup);
    Level {
        id,
        limit: bytes(moving_limit(css)),
        used: bytes(usage(css)),
        period: 0,
        slot: slot_of(memory_watch(id)),
        depth: depth_of(cgroup, leaf),
    }
}

#[inline(always)]
fn bytes(pages: u64) -> u64 {
    if pages < UNLIMITED_PAGES {
        pages << setting!(page_shift)
    } else {
        UNLIMITED
    }
}

/// The lower of `memory.high` and the hard limit, in pages; on cgroup v1 the former is unlimited.
#[inline(always)]
fn moving_limit(css: Kernel) -> u64 {
    let high = counter(css, offset!(memcg_high));
    let max = counter(css, offset!(memcg_max));
    if high < max { high } else { max }
}

/// Memory in use, in pages.
#[inline(always)]
fn usage(css: Kernel) -> u64 {
    counter(css, offset!(memcg_usage))
}

/// Beyond the `css` the verifier does not know the `mem_cgroup`: this takes the helper.
#[inline(always)]
fn counter(css: Kernel, offset: u32) -> u64 {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(css.wrapping_add(offset as usize).cast::<u64>()) }.unwrap_or(0)
}

/// Sends the event, unless one like it has just been sent.
#[inline(always)]
fn raise(kind: u32, task: Kernel, found: &Found) {
    let raised = found.raised(matches!(kind, kind::QUOTA_NEAR | kind::MEMORY_NEAR));
    let now = now();
    let limit = bytes(moving_limit(found.lowest));
    if !due(*raised, now, limit, raised.period, raised.period) {
        return;
    }
    let leaf = load!(memory_css(task), css_cgroup as Kernel);
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
        let again = limit == raised.limit && now.wrapping_sub(raised.time) < QUIET;
        let doubled = raised.period * 2;
        let gap = if !again {
            FIRST_GAP
        } else if doubled < LAST_GAP {
            doubled
        } else {
            LAST_GAP
        };
        *raised = Raised {
            time: now,
            limit,
            period: gap,
        };
    }
}
