//! Processes and what they waited for.

use serde::{Deserialize, Serialize};

/// The processes that were asked for, the one that waited most first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// When they were read, in ns of the kernel's monotonic clock.
    pub monotonic_ns: u64,
    /// Each of them.
    pub processes: Vec<Process>,
    /// Those for which there was no room.
    pub left_out: u64,
    /// What does not work as it should, such as a kernel that has no list of threads; empty when
    /// all does.
    pub degraded: String,
}

/// One process, its threads together, since it began or over a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The kernel's number of it.
    pub pid: u32,
    /// Its first thread's name.
    pub name: String,
    /// The workload that it belongs to; `None` when that is none.
    pub workload: Option<String>,
    /// The path of its cgroup, in the CPU controller's hierarchy.
    pub cgroup: String,
    /// Its threads.
    pub threads: u32,
    /// When it began, in ns of the kernel's monotonic clock.
    pub started_ns: u64,
    /// On a CPU.
    pub ran_ns: u64,
    /// Waiting for a CPU, throttled or behind others.
    pub waited_ns: u64,
    /// How often a thread got a CPU: `waited_ns` by this is the mean wait.
    pub waits: u64,
    /// Neither running nor waiting for a CPU: asleep, or waiting for something else.
    pub blocked_ns: u64,
    /// How often a thread gave its CPU up.
    pub voluntary_switches: u64,
    /// How often a thread was taken off its CPU.
    pub involuntary_switches: u64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Waiting for block I/O; `None` where the kernel does not keep it.
    pub io_delay_ns: Option<u64>,
    /// Waiting for pages that had been swapped out or dropped; likewise.
    pub fault_delay_ns: Option<u64>,
}

impl Process {
    /// What happened since `before`, which is the same process earlier.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        let optional = |now: Option<u64>, before: Option<u64>| {
            now.map(|now| now.saturating_sub(before.unwrap_or_default()))
        };
        Self {
            // A thread that has ended took what it had waited along.
            ran_ns: self.ran_ns.saturating_sub(before.ran_ns),
            waited_ns: self.waited_ns.saturating_sub(before.waited_ns),
            waits: self.waits.saturating_sub(before.waits),
            blocked_ns: self.blocked_ns.saturating_sub(before.blocked_ns),
            voluntary_switches: self
                .voluntary_switches
                .saturating_sub(before.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(before.involuntary_switches),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
            io_delay_ns: optional(self.io_delay_ns, before.io_delay_ns),
            fault_delay_ns: optional(self.fault_delay_ns, before.fault_delay_ns),
            ..self
        }
    }
}

impl Processes {
    /// What happened since `before`, the one that waited most first. A process that has begun
    /// meanwhile counts from its start, one that has ended is left out.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        let earlier: std::collections::HashMap<_, _> = before
            .processes
            .iter()
            .map(|process| ((process.pid, process.started_ns), process))
            .collect();
        let mut processes: Vec<_> = self
            .processes
            .into_iter()
            .map(
                |process| match earlier.get(&(process.pid, process.started_ns)) {
                    Some(before) => process.since(before),
                    None => process,
                },
            )
            .collect();
        sort(&mut processes);
        Self { processes, ..self }
    }
}

/// The one that waited most first; of equals, the one that ran most.
pub fn sort(processes: &mut [Process]) {
    processes
        .sort_by_key(|process| std::cmp::Reverse((process.waited_ns, process.ran_ns, process.pid)));
}
