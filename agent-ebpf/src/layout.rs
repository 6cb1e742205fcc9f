//! What user space tells the probes before they are loaded, in their read-only data.
//!
//! The verifier takes these values for constants: a field's offset costs nothing at run time, and
//! what a setting switches off is removed from the program.

/// Value of an offset in [`Layout`] for a field that this kernel lacks.
pub const ABSENT: u32 = u32::MAX;

/// Declares [`Layout`] and, for user space, which kernel field each offset is.
macro_rules! layout {
    ($($(#[$doc:meta])* $name:ident = $root:literal . $path:literal, $type:literal;)*) => {
        /// Byte offsets of kernel fields in the running kernel, or [`ABSENT`].
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Layout {
            $($(#[$doc])* #[doc = concat!("`", $root, ".", $path, "`: ", $type)] pub $name: u32,)*
        }

        impl Layout {
            /// Every offset absent.
            pub const NONE: Self = Self { $($name: ABSENT,)* };

            /// Every field: its name here, the structure it is found in, the path from there, and
            /// what it must be: an integer of so many bytes, `*` a pointer to that structure, or
            /// `[` an array of such pointers.
            pub const FIELDS: &'static [(&'static str, &'static str, &'static str, &'static str)] =
                &[$((stringify!($name), $root, $path, $type),)*];

            /// Sets the offset of the field `index` of [`Layout::FIELDS`].
            #[cfg(not(target_arch = "bpf"))]
            pub fn set(&mut self, index: usize, offset: u32) {
                let fields = [$(&mut self.$name,)*];
                if let Some(field) = fields.into_iter().nth(index) {
                    *field = offset;
                }
            }

            /// The offset of the field called `name` here; [`ABSENT`] for an unknown name.
            #[cfg(not(target_arch = "bpf"))]
            #[must_use]
            pub fn get(&self, name: &str) -> u32 {
                match name {
                    $(stringify!($name) => self.$name,)*
                    _ => ABSENT,
                }
            }
        }
    };
}

layout! {
    task_pid = "task_struct"."pid", "4";
    task_tgid = "task_struct"."tgid", "4";
    task_flags = "task_struct"."flags", "4";
    task_prio = "task_struct"."prio", "4";
    task_state = "task_struct"."__state", "4";
    /// Since 5.16; without it a queue cannot be told from another one.
    task_cpu = "task_struct"."thread_info.cpu", "4";
    task_cgroups = "task_struct"."cgroups", "*css_set";
    task_group = "task_struct"."sched_task_group", "*task_group";
    task_ran = "task_struct"."se.sum_exec_runtime", "8";
    task_started = "task_struct"."start_time", "8";
    task_waited = "task_struct"."sched_info.run_delay", "8";
    task_waits = "task_struct"."sched_info.pcount", "8";
    task_voluntary = "task_struct"."nvcsw", "8";
    task_involuntary = "task_struct"."nivcsw", "8";
    task_minor_faults = "task_struct"."min_flt", "8";
    task_major_faults = "task_struct"."maj_flt", "8";
    task_comm = "task_struct"."comm", "[1]";
    task_signal = "task_struct"."signal", "*signal_struct";
    /// With `CONFIG_TASK_DELAY_ACCT`.
    task_delays = "task_struct"."delays", "*task_delay_info";
    task_parent_entity = "task_struct"."se.parent", "*sched_entity";
    task_queue = "task_struct"."se.cfs_rq", "*cfs_rq";
    entity_parent = "sched_entity"."parent", "*sched_entity";
    entity_queue = "sched_entity"."cfs_rq", "*cfs_rq";
    queue_group = "cfs_rq"."tg", "*task_group";
    queue_throttled = "cfs_rq"."throttle_count", "4";
    /// Grows whenever a throttling ends. Since 5.19.
    queue_throttled_time = "cfs_rq"."throttled_clock_pelt_time", "8";
    group_cgroup = "task_group"."css.cgroup", "*cgroup";
    group_parent = "task_group"."parent", "*task_group";
    group_quota = "task_group"."cfs_bandwidth.quota", "8";
    group_period = "task_group"."cfs_bandwidth.period", "8";
    group_left = "task_group"."cfs_bandwidth.runtime", "8";
    group_periods = "task_group"."cfs_bandwidth.nr_periods", "4";
    group_period_end = "task_group"."cfs_bandwidth.period_timer.node.expires", "8";
    css_cgroup = "cgroup_subsys_state"."cgroup", "*cgroup";
    css_parent = "cgroup_subsys_state"."parent", "*cgroup_subsys_state";
    cgroup_parent_css = "cgroup"."self.parent", "*cgroup_subsys_state";
    cgroup_node = "cgroup"."kn", "*kernfs_node";
    cgroup_root = "cgroup"."root", "*cgroup_root";
    cgroup_level = "cgroup"."level", "4";
    root_hierarchy = "cgroup_root"."hierarchy_id", "4";
    node_id = "kernfs_node"."id", "8";
    set_cgroup = "css_set"."dfl_cgrp", "*cgroup";
    /// The start of the array; user space adds the memory controller's index to it.
    set_memory = "css_set"."subsys", "[*cgroup_subsys_state]";
    signal_ran = "signal_struct"."sum_sched_runtime", "8";
    signal_voluntary = "signal_struct"."nvcsw", "8";
    signal_involuntary = "signal_struct"."nivcsw", "8";
    signal_minor_faults = "signal_struct"."min_flt", "8";
    signal_major_faults = "signal_struct"."maj_flt", "8";
    delays_io = "task_delay_info"."blkio_delay", "8";
    delays_swap = "task_delay_info"."swapin_delay", "8";
    delays_thrashing = "task_delay_info"."thrashing_delay", "8";
    memcg_usage = "mem_cgroup"."memory.usage.counter", "8";
    memcg_high = "mem_cgroup"."memory.high", "8";
    memcg_max = "mem_cgroup"."memory.max", "8";
    sock_storage = "sock"."sk_bpf_storage", "*bpf_local_storage";
    sock_state = "sock"."__sk_common.skc_state", "1";
    tcp_received = "tcp_sock"."rcv_nxt", "4";
    tcp_copied = "tcp_sock"."copied_seq", "4";
    tcp_written = "tcp_sock"."write_seq", "4";
    /// When the last segment came or went, in ns of `CLOCK_MONOTONIC`.
    tcp_clock = "tcp_sock"."tcp_clock_cache", "8";
    request_flags = "request"."cmd_flags", "4";
    request_length = "request"."__data_len", "4";
    request_made = "request"."start_time_ns", "8";
    request_bio = "request"."bio", "*bio";
    /// Where the kernel is built with `CONFIG_BLK_CGROUP`.
    bio_owner = "bio"."bi_blkg", "*blkcg_gq";
    owner_group = "blkcg_gq"."blkcg", "*blkcg";
    block_cgroup = "blkcg"."css.cgroup", "*cgroup";
}

/// How the probes behave; constant while they are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The duties that are on: a set of [`duty`] bits.
    pub duties: u32,
    /// When a nearly spent quota is worth a warning: one of [`law`].
    pub law: u32,
    /// Number of cells for waiting tasks, a power of two, less one.
    pub cell_mask: u32,
    /// Number of cells of each table of groups with a histogram, a power of two, less one.
    pub group_mask: u32,
    /// Our own process, whose reclaim (when it lowers a limit) raises no alarm.
    pub own_tgid: u32,
    /// Non-zero where `mark_victim` passes the task (since 6.8) and not its pid.
    pub victim_is_task: u32,
    /// log2 of the page size.
    pub page_shift: u32,
}

impl Settings {
    /// Everything off.
    pub const NONE: Self = Self {
        duties: 0,
        law: law::FIXED_AND_USUAL,
        cell_mask: 0,
        group_mask: 0,
        own_tgid: 0,
        victim_is_task: 0,
        page_shift: 12,
    };
}

/// What a hook does; a hook may have several duties. Bits of [`Settings::duties`].
pub mod duty {
    /// Run-queue waiting.
    pub const RUNQ_LATENCY: u32 = 1 << 0;
    /// Warn of a quota that is nearly spent.
    pub const QUOTA_NEAR: u32 = 1 << 1;
    /// Throttled, seen when a task leaves the CPU.
    pub const THROTTLED_RUNNING: u32 = 1 << 2;
    /// Throttled, seen when a task is woken.
    pub const THROTTLED_WAKING: u32 = 1 << 3;
    /// Warn of memory that is nearly full.
    pub const MEMORY_NEAR: u32 = 1 << 4;
    /// Reclaim that finds nothing.
    pub const RECLAIM_FAILING: u32 = 1 << 5;
    /// The OOM killer's victims.
    pub const OOM_KILL: u32 = 1 << 6;
    /// Groups created and removed.
    pub const CGROUP_LIFECYCLE: u32 = 1 << 7;
    /// Waiting behind a group that uses what was lent to it; needs the first two.
    pub const LOAN_DELAYS: u32 = 1 << 8;
    /// Requests to TCP servers.
    pub const TCP_LATENCY: u32 = 1 << 9;
    /// Softirq time, told apart from the tasks' own.
    pub const SOFTIRQ_TIME: u32 = 1 << 10;
    /// The list of threads.
    pub const PROCESSES: u32 = 1 << 11;
    /// Direct reclaim.
    pub const RECLAIM_LATENCY: u32 = 1 << 12;
    /// Block I/O.
    pub const BLOCK_LATENCY: u32 = 1 << 13;
}

/// When a nearly spent quota is worth a warning. Values of [`Settings::law`].
pub mod law {
    /// Less than a quarter of the period's pool is left.
    pub const FIXED: u32 = 0;
    /// What is left will not last until the period ends at the rate of this period.
    pub const BURN: u32 = 1;
    /// Both at once.
    pub const FIXED_AND_BURN: u32 = 2;
    /// Less than a quarter is left, and more than usual was used.
    pub const FIXED_AND_USUAL: u32 = 3;
}
