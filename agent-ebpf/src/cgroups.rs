//! Groups that are created and removed, in every hierarchy.
//!
//! Hooks: `cgroup_mkdir`, `cgroup_rmdir`. Minimum kernel: 5.5 (`tp_btf`).
//! What it cannot see: groups that were there before it was attached.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use trimtab_ebpf::{Level, NO_SLOT, duty, kind, lost};

use crate::{
    emit::{News, count_lost, now, tell},
    kernel::{Kernel, load, on},
    level::{hierarchy_of, id_of},
};

/// `cgroup_mkdir(struct cgroup *cgrp, const char *path)`
#[btf_tracepoint(function = "cgroup_mkdir")]
pub(crate) fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    changed(kind::CGROUP_CREATED, ctx.arg(0))
}

/// `cgroup_rmdir(struct cgroup *cgrp, const char *path)`
#[btf_tracepoint(function = "cgroup_rmdir")]
pub(crate) fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    changed(kind::CGROUP_REMOVED, ctx.arg(0))
}

#[inline(always)]
fn changed(kind: u32, cgroup: Kernel) -> i32 {
    if !on(duty::CGROUP_LIFECYCLE) {
        return 0;
    }
    let id = id_of(cgroup);
    if id == 0 {
        count_lost(lost::STALE);
        return 0;
    }
    let parent = id_of(load!(
        load!(cgroup, cgroup_parent_css as Kernel),
        css_cgroup as Kernel
    ));
    let level = Level {
        id,
        slot: NO_SLOT,
        ..Level::default()
    };
    let pid = (bpf_get_current_pid_tgid() >> 32) as u32;
    tell(&News {
        time: now(),
        kind,
        pid,
        hierarchy: hierarchy_of(cgroup),
        used: parent,
        lowest: &level,
        highest: &level,
    });
    0
}
