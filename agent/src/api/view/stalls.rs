//! What a workload's tasks stalled on: memory, block I/O, pressure.

use serde::{Deserialize, Serialize};

/// What a workload's tasks stalled on; `None` where it cannot be known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalls {
    /// Direct reclaim since adoption.
    pub reclaim: Option<Reclaim>,
    /// What memory it holds, and lacked since adoption.
    pub memory: Option<Lacks>,
    /// Block I/O since adoption.
    pub block: Option<Block>,
    /// Its pressure.
    pub pressure: Pressures,
}

/// Times that its tasks had to free memory themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// For a limit: its own, or one above.
    pub limit: Latency,
    /// Because the node was short of memory.
    pub node: Latency,
}

/// What memory a workload holds, and how often it lacked any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacks {
    /// Memory in use less page cache that was not used lately.
    pub working_set_bytes: u64,
    /// Anonymous pages that were wanted again soon after they had been swapped out.
    pub refaults_anon: Option<u64>,
    /// File pages that were wanted again soon after they had been dropped.
    pub refaults_file: Option<u64>,
    /// Faults for which a page had to be read.
    pub major_faults: Option<u64>,
    /// Times that use went over `memory.high`; 0 on v1, which has none.
    pub high: u64,
    /// Times that use was about to go over the hard limit.
    pub max: u64,
    /// Times that the OOM killer was called; 0 on v1, which does not count it.
    pub oom: u64,
}

/// Block I/O on behalf of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Reads, from when the device had the request until it was done.
    pub read: Latency,
    /// Bytes read.
    pub read_bytes: u64,
    /// Writes, the same.
    pub written: Latency,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads and writes, from when the request was made until the device had it.
    pub queued: Latency,
}

/// A distribution of durations, to the width of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total_ns: u64,
    /// The median; `None` when there are none.
    pub p50_ns: Option<u64>,
    /// The 99th percentile; `None` when there are none.
    pub p99_ns: Option<u64>,
}

/// Pressure stall information (PSI), of a workload or the node; `None` where the kernel keeps none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressures {
    /// Waiting for a CPU.
    pub cpu: Option<Pressure>,
    /// Reclaim, refaults, swap.
    pub memory: Option<Pressure>,
    /// Waiting for a disk.
    pub io: Option<Pressure>,
}

/// One pressure: `avg10` in hundredths of a percent, and the total since the group was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task stalled, in the last ten seconds.
    pub some_bp: u32,
    /// At least one task stalled, in all.
    pub some_ns: u64,
    /// All tasks stalled, in the last ten seconds.
    pub full_bp: u32,
    /// All tasks stalled, in all.
    pub full_ns: u64,
}
