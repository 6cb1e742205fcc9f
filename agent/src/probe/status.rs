//! What can be probed, and what `doctor` says about it.

use std::fmt;

use trimtab_ebpf::duty;

/// One duty of the kernel half; several may share a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Run-queue waiting as a histogram per group.
    RunqLatency,
    /// Warning: the period's CPU quota is nearly spent.
    QuotaNear,
    /// Alarm: a group is throttled when one of its tasks leaves the CPU.
    ThrottledRunning,
    /// Alarm: a task is woken into a group that is throttled.
    ThrottledWaking,
    /// Warning: memory use is near the moving limit.
    MemoryNear,
    /// Alarm: reclaim came back with next to nothing.
    ReclaimFailing,
    /// The OOM killer's victims.
    OomKill,
    /// Groups that are created and removed.
    CgroupLifecycle,
    /// Alarm: who uses no more than its own waits behind who uses what was lent.
    LoanDelays,
    /// Requests to TCP servers as histograms per group.
    TcpLatency,
    /// Softirq time, told apart from the tasks' own.
    SoftirqTime,
    /// The list of threads, read when somebody asks.
    Processes,
    /// Direct reclaim as a histogram per group.
    ReclaimLatency,
    /// Block I/O as a histogram per group.
    BlockLatency,
}

impl Probe {
    /// Every probe, in the order in which `doctor` shows them.
    pub const ALL: [Self; 14] = [
        Self::RunqLatency,
        Self::QuotaNear,
        Self::ThrottledRunning,
        Self::ThrottledWaking,
        Self::MemoryNear,
        Self::ReclaimFailing,
        Self::OomKill,
        Self::CgroupLifecycle,
        Self::LoanDelays,
        Self::TcpLatency,
        Self::SoftirqTime,
        Self::Processes,
        Self::ReclaimLatency,
        Self::BlockLatency,
    ];

    /// The name in configuration, metrics and `doctor`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RunqLatency => "runq-latency",
            Self::QuotaNear => "quota-near",
            Self::ThrottledRunning => "throttled-running",
            Self::ThrottledWaking => "throttled-waking",
            Self::MemoryNear => "memory-near",
            Self::ReclaimFailing => "reclaim-failing",
            Self::OomKill => "oom-kill",
            Self::CgroupLifecycle => "cgroup-lifecycle",
            Self::LoanDelays => "loan-delays",
            Self::TcpLatency => "tcp-latency",
            Self::SoftirqTime => "softirq-time",
            Self::Processes => "processes",
            Self::ReclaimLatency => "reclaim-latency",
            Self::BlockLatency => "block-latency",
        }
    }

    /// The tracepoints that it needs; none for a list that is read.
    #[must_use]
    pub const fn hooks(self) -> &'static [&'static str] {
        match self {
            Self::RunqLatency => &["sched_wakeup", "sched_wakeup_new", "sched_switch"],
            Self::QuotaNear | Self::MemoryNear => &["sched_stat_runtime"],
            Self::ThrottledRunning | Self::LoanDelays => &["sched_switch"],
            Self::ThrottledWaking => &["sched_wakeup", "sched_wakeup_new"],
            Self::ReclaimFailing => &["mm_vmscan_memcg_reclaim_end"],
            Self::OomKill => &["mark_victim"],
            Self::CgroupLifecycle => &["cgroup_mkdir", "cgroup_rmdir"],
            Self::TcpLatency => &[
                "inet_sock_set_state",
                "sk_data_ready",
                "tcp_rcv_space_adjust",
                "tcp_sendmsg_locked",
            ],
            Self::SoftirqTime => &["softirq_entry", "softirq_exit"],
            Self::Processes => &[],
            Self::ReclaimLatency => &[
                "mm_vmscan_memcg_reclaim_begin",
                "mm_vmscan_memcg_reclaim_end",
                "mm_vmscan_direct_reclaim_begin",
                "mm_vmscan_direct_reclaim_end",
            ],
            Self::BlockLatency => &["block_rq_issue", "block_rq_complete"],
        }
    }

    /// The probes on whose figures it lives.
    pub(super) const fn needs(self) -> ProbeSet {
        match self {
            Self::LoanDelays => ProbeSet::of(Self::RunqLatency).with(Self::QuotaNear),
            Self::SoftirqTime => ProbeSet::of(Self::RunqLatency),
            _ => ProbeSet::NONE,
        }
    }

    /// Whether limits move as safely without it, where these are on: nothing rests on it but what
    /// people are told, or it is the net beneath a warning. Beneath both is the tick.
    #[must_use]
    pub const fn is_optional(self, on: ProbeSet) -> bool {
        match self {
            Self::RunqLatency
            | Self::LoanDelays
            | Self::TcpLatency
            | Self::SoftirqTime
            | Self::ReclaimLatency
            | Self::BlockLatency => true,
            Self::ThrottledRunning | Self::ThrottledWaking => on.has(Self::QuotaNear),
            Self::QuotaNear
            | Self::MemoryNear
            | Self::ReclaimFailing
            | Self::OomKill
            | Self::CgroupLifecycle
            // It costs nothing until somebody asks.
            | Self::Processes => false,
        }
    }

    pub(super) const fn bit(self) -> u32 {
        match self {
            Self::RunqLatency => duty::RUNQ_LATENCY,
            Self::QuotaNear => duty::QUOTA_NEAR,
            Self::ThrottledRunning => duty::THROTTLED_RUNNING,
            Self::ThrottledWaking => duty::THROTTLED_WAKING,
            Self::MemoryNear => duty::MEMORY_NEAR,
            Self::ReclaimFailing => duty::RECLAIM_FAILING,
            Self::OomKill => duty::OOM_KILL,
            Self::CgroupLifecycle => duty::CGROUP_LIFECYCLE,
            Self::LoanDelays => duty::LOAN_DELAYS,
            Self::TcpLatency => duty::TCP_LATENCY,
            Self::SoftirqTime => duty::SOFTIRQ_TIME,
            Self::Processes => duty::PROCESSES,
            Self::ReclaimLatency => duty::RECLAIM_LATENCY,
            Self::BlockLatency => duty::BLOCK_LATENCY,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeSet(pub(super) u32);

impl ProbeSet {
    /// No probe.
    pub const NONE: Self = Self(0);
    /// Every probe.
    pub const ALL: Self = Self((1 << Probe::ALL.len()) - 1);

    /// The set of one probe.
    #[must_use]
    pub const fn of(probe: Probe) -> Self {
        Self(probe.bit())
    }

    /// The set with `probe` in it.
    #[must_use]
    pub const fn with(self, probe: Probe) -> Self {
        Self(self.0 | probe.bit())
    }

    /// The set without `probe`.
    #[must_use]
    pub const fn without(self, probe: Probe) -> Self {
        Self(self.0 & !probe.bit())
    }

    /// The set with all of `other` in it.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits of the kernel's duties.
    pub(super) const fn duties(self) -> u32 {
        self.0
    }

    /// Whether `probe` is in it.
    #[must_use]
    pub const fn has(self, probe: Probe) -> bool {
        self.0 & probe.bit() != 0
    }
}

/// How much of a probe works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All of it.
    On,
    /// Some of it: see [`ProbeStatus::why`].
    Degraded,
    /// Nothing of it: see [`ProbeStatus::why`].
    Off,
}

/// What `doctor` says about one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeStatus {
    /// Which one.
    pub probe: Probe,
    /// How much of it works.
    pub state: State,
    /// Why not all of it, with the remedy where there is one; empty when it is on.
    pub why: String,
}
