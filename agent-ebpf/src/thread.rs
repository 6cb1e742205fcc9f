//! What the task iterator says of each thread.

/// One thread, counted since it began.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub tgid: u32,
    /// The thread itself; the first one has the process's number.
    pub pid: u32,
    /// The id of the group whose CPU controller governs it; 0 when that is going away, or an
    /// autogroup.
    pub group: u64,
    /// The id of its group in the v2 hierarchy, where the CPU controller may stop above it.
    pub unified: u64,
    /// When it began, in ns of `CLOCK_MONOTONIC`.
    pub started: u64,
    /// On a CPU, in ns.
    pub ran: u64,
    /// Of the first thread: on a CPU by those of the process that have ended, in ns.
    pub ended_ran: u64,
    /// Waiting for a CPU, throttled or behind others, in ns.
    pub waited: u64,
    /// How often it got a CPU.
    pub waits: u64,
    /// How often it gave the CPU up; the first thread's with those that have ended.
    pub voluntary: u64,
    /// How often the CPU was taken from it; the first thread's with those that have ended.
    pub involuntary: u64,
    /// Page faults without I/O; the first thread's with those that have ended.
    pub minor_faults: u64,
    /// Page faults with I/O; the first thread's with those that have ended.
    pub major_faults: u64,
    /// Waiting for block I/O, in ns; 0 where the kernel does not keep it.
    pub io_ns: u64,
    /// Waiting for pages that had been swapped out or dropped, in ns; 0 where it is not kept.
    pub fault_ns: u64,
    /// Whether the kernel keeps the last two.
    pub delays_kept: u64,
    /// Its name, filled up with zero bytes, as the kernel has it.
    pub comm: [u64; 2],
}
