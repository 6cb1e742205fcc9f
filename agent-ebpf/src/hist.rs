//! Histograms that are made in the kernel and read in user space.

/// Sub-buckets per power of two in a histogram: the relative width of a bucket is 1/4.
pub const HIST_SUB_BITS: u32 = 2;

/// Buckets of a histogram. The last one also holds everything above.
pub const HIST_BUCKETS: usize = 128;

/// A table of groups whose doings are counted is an array of these, filled by user space by open
/// addressing: a group's cell is `id & (cells - 1)` or one of the next, and says where in the array of
/// histograms beside it the group's own is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCell {
    /// The cgroup's id, [`GROUP_FREE`] or [`GROUP_GONE`].
    pub id: u64,
    /// Index of its histogram; [`GROUP_OTHERS`] when there were none left.
    pub hist: u64,
}

/// At how many cells of such a table the kernel looks.
pub const GROUP_PROBES: u32 = 8;

/// Id in a cell that was never used: the search ends here.
pub const GROUP_FREE: u64 = 0;

/// Id in a cell whose group is gone: the search goes on.
pub const GROUP_GONE: u64 = u64::MAX;

/// Index of the histogram that all groups share for which no other was left.
pub const GROUP_OTHERS: u64 = 0;

/// Of a group in the table for run-queue waiting it is noted when a task of it last got a CPU: in 2^27 ns of
/// `CLOCK_MONOTONIC`, an eighth of a second. Noted more finely, groups whose notes share a cache line would
/// take it from each other's CPUs at every switch.
pub const RAN_GRAIN: u32 = 27;

/// Run-queue waiting of one cgroup: log-linear, mergeable by addition.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunqHist {
    /// Waits behind other tasks.
    pub waiting: [u64; HIST_BUCKETS],
    /// Waits during which the group, or one above it, was throttled.
    pub throttled: [u64; HIST_BUCKETS],
    /// Sum of `waiting` in ns.
    pub waiting_ns: u64,
    /// Sum of `throttled` in ns.
    pub throttled_ns: u64,
}

impl Default for RunqHist {
    fn default() -> Self {
        Self {
            waiting: [0; HIST_BUCKETS],
            throttled: [0; HIST_BUCKETS],
            waiting_ns: 0,
            throttled_ns: 0,
        }
    }
}

/// Requests to the TCP servers of one cgroup, and bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHist {
    /// From the first byte of a request to the first byte of its answer.
    pub answered: [u64; HIST_BUCKETS],
    /// From the first byte of a request to the first read of it: a part of the above.
    pub unread: [u64; HIST_BUCKETS],
    /// Sum of `answered` in ns.
    pub answered_ns: u64,
    /// Sum of `unread` in ns.
    pub unread_ns: u64,
    /// Bytes read from accepted connections, up to the last answer or the end.
    pub bytes_in: u64,
    /// Bytes sent on them.
    pub bytes_out: u64,
}

impl Default for TcpHist {
    fn default() -> Self {
        Self {
            answered: [0; HIST_BUCKETS],
            unread: [0; HIST_BUCKETS],
            answered_ns: 0,
            unread_ns: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }
}

/// Direct reclaim by the tasks of one cgroup: log-linear, mergeable by addition.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReclaimHist {
    /// Turns of reclaim for a limit: the group's own, or one above.
    pub group: [u64; HIST_BUCKETS],
    /// Turns of reclaim because the node was short of memory.
    pub node: [u64; HIST_BUCKETS],
    /// Sum of `group` in ns.
    pub group_ns: u64,
    /// Sum of `node` in ns.
    pub node_ns: u64,
}

impl Default for ReclaimHist {
    fn default() -> Self {
        Self {
            group: [0; HIST_BUCKETS],
            node: [0; HIST_BUCKETS],
            group_ns: 0,
            node_ns: 0,
        }
    }
}

/// Block I/O on behalf of one cgroup: log-linear, mergeable by addition.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHist {
    /// Reads, from when the device had the request until it was done.
    pub read: [u64; HIST_BUCKETS],
    /// Writes, the same.
    pub written: [u64; HIST_BUCKETS],
    /// Reads and writes, from when the request was made until the device had it.
    pub queued: [u64; HIST_BUCKETS],
    /// Sum of `read` in ns.
    pub read_ns: u64,
    /// Sum of `written` in ns.
    pub written_ns: u64,
    /// Sum of `queued` in ns.
    pub queued_ns: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

impl Default for BlockHist {
    fn default() -> Self {
        Self {
            read: [0; HIST_BUCKETS],
            written: [0; HIST_BUCKETS],
            queued: [0; HIST_BUCKETS],
            read_ns: 0,
            written_ns: 0,
            queued_ns: 0,
            read_bytes: 0,
            written_bytes: 0,
        }
    }
}

/// Groups that a [`RunqBehind`] names.
pub const BEHIND: usize = 8;

/// Behind whom the tasks of one cgroup waited, in ns; all but the shortest waits, each divided among
/// those who had the CPU during it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunqBehind {
    /// Tasks of the same group.
    pub siblings_ns: u64,
    /// Tasks that no group governs: the kernel's.
    pub system_ns: u64,
    /// Softirqs, in whoever's name.
    pub interrupts_ns: u64,
    /// Nobody: the CPU was idle and had to be woken, or the scheduler looked elsewhere.
    pub idle_ns: u64,
    /// Groups for which there was no cell, or who had the CPU too many turns ago.
    pub unnamed_ns: u64,
    /// Other groups, by the id of their directory; 0 for a free cell.
    pub ids: [u64; BEHIND],
    /// What each of them is blamed for.
    pub ns: [u64; BEHIND],
}

/// The bucket of a duration in ns: values below 2^(`HIST_SUB_BITS` + 1) have a bucket each, then
/// every power of two has 2^`HIST_SUB_BITS`.
#[expect(
    clippy::inline_always,
    reason = "the verifier follows no calls between programs"
)]
#[inline(always)]
#[must_use]
pub const fn bucket(ns: u64) -> usize {
    // 8..16 is the first range that is split, into 4: its shift is 1 and its first bucket 8.
    let shift = (ns | (1 << HIST_SUB_BITS)).ilog2() - HIST_SUB_BITS;
    let index = ((shift as usize) << HIST_SUB_BITS) + low_bits(ns >> shift);
    if index >= HIST_BUCKETS {
        HIST_BUCKETS - 1
    } else {
        index
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is below 2^(SUB_BITS + 1)"
)]
#[expect(
    clippy::inline_always,
    reason = "the verifier follows no calls between programs"
)]
#[inline(always)]
const fn low_bits(value: u64) -> usize {
    value as usize
}

/// The smallest duration in ns that falls into a bucket: the inverse of [`bucket`].
#[must_use]
pub const fn bucket_start(index: usize) -> u64 {
    let per = 1 << HIST_SUB_BITS;
    if index < 2 * per {
        return index as u64;
    }
    let shift = index / per - 1;
    ((per + index % per) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_invertible() {
        let mut last = 0;
        for exponent in 0..34 {
            for offset in [0u64, 1, 2, 3] {
                let ns = (1u64 << exponent) + ((1u64 << exponent) / 4) * offset;
                let index = bucket(ns);
                assert!(index >= last, "{ns} ns went backwards");
                assert!(
                    bucket_start(index) <= ns,
                    "{ns} ns lies below its bucket {index}"
                );
                last = index;
            }
        }
        for index in 0..HIST_BUCKETS {
            assert_eq!(bucket(bucket_start(index)), index);
        }
        assert_eq!(bucket(u64::MAX), HIST_BUCKETS - 1);
    }
}
