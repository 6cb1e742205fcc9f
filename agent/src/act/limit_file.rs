//! The limit files: their names, and what their text means.

use std::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::signal::{Amount, Resource};

use crate::sense::cpu::{Quota, parse_max};
use crate::sense::file::{limit, single};
use crate::sense::hierarchy::Version;
use crate::sense::memory::parse_limit_v1;

/// v1: the period in microseconds that a quota counts for.
pub(super) const CFS_PERIOD: &str = "cpu.cfs_period_us";

/// A file that holds a limit. The names are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LimitFile {
    /// v2: quota and period.
    #[serde(rename = "cpu.max")]
    CpuMax,
    /// v2: unused quota that may be saved up, in microseconds.
    #[serde(rename = "cpu.max.burst")]
    CpuMaxBurst,
    /// v2: share under contention, 1 to 10,000.
    #[serde(rename = "cpu.weight")]
    CpuWeight,
    /// v2: the limit above which tasks are slowed and reclaim.
    #[serde(rename = "memory.high")]
    MemoryHigh,
    /// v2: the hard limit.
    #[serde(rename = "memory.max")]
    MemoryMax,
    /// v1: quota in microseconds per period.
    #[serde(rename = "cpu.cfs_quota_us")]
    CfsQuota,
    /// v1: as `cpu.max.burst`.
    #[serde(rename = "cpu.cfs_burst_us")]
    CfsBurst,
    /// v1: share under contention, 2 to 262,144.
    #[serde(rename = "cpu.shares")]
    CpuShares,
    /// v1: the hard limit.
    #[serde(rename = "memory.limit_in_bytes")]
    LimitInBytes,
    /// v1: the hard limit of memory and swap together, never below the other.
    #[serde(rename = "memory.memsw.limit_in_bytes")]
    MemswLimit,
}

/// The names of all files from which the kernel takes the limit of a resource.
#[must_use]
pub const fn limiting(resource: Resource, version: Version) -> &'static [&'static str] {
    match (resource, version) {
        (Resource::Cpu, Version::V2) => const { &[LimitFile::CpuMax.name()] },
        (Resource::Cpu, Version::V1) => const { &[LimitFile::CfsQuota.name(), CFS_PERIOD] },
        (Resource::Memory, Version::V2) => {
            const { &[LimitFile::MemoryHigh.name(), LimitFile::MemoryMax.name()] }
        }
        (Resource::Memory, Version::V1) => const { &[LimitFile::LimitInBytes.name()] },
    }
}

impl fmt::Display for LimitFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl LimitFile {
    /// The file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuMax => "cpu.max",
            Self::CpuMaxBurst => "cpu.max.burst",
            Self::CpuWeight => "cpu.weight",
            Self::MemoryHigh => "memory.high",
            Self::MemoryMax => "memory.max",
            Self::CfsQuota => "cpu.cfs_quota_us",
            Self::CfsBurst => "cpu.cfs_burst_us",
            Self::CpuShares => "cpu.shares",
            Self::LimitInBytes => "memory.limit_in_bytes",
            Self::MemswLimit => "memory.memsw.limit_in_bytes",
        }
    }

    /// What it limits.
    #[must_use]
    pub const fn resource(self) -> Resource {
        match self {
            Self::CpuMax
            | Self::CpuMaxBurst
            | Self::CpuWeight
            | Self::CfsQuota
            | Self::CfsBurst
            | Self::CpuShares => Resource::Cpu,
            Self::MemoryHigh | Self::MemoryMax | Self::LimitInBytes | Self::MemswLimit => {
                Resource::Memory
            }
        }
    }

    /// Whether the file belongs to the v1 interface.
    #[must_use]
    pub const fn is_v1(self) -> bool {
        matches!(
            self,
            Self::CfsQuota
                | Self::CfsBurst
                | Self::CpuShares
                | Self::LimitInBytes
                | Self::MemswLimit
        )
    }

    /// What a text says, as one number that grows with the limit: micro-CPUs for quotas, bytes
    /// for memory, the plain number for weights and bursts. A v1 quota needs its period.
    #[must_use]
    pub fn amount(self, text: &str, v1_period_us: Option<u64>) -> Option<Amount> {
        let bytes = text.as_bytes();
        match self {
            Self::CpuMax => parse_max(bytes).map(Quota::amount),
            Self::CfsQuota => {
                let quota = limit(bytes)?;
                let quota_us = (quota != u64::MAX).then_some(quota);
                Some(
                    Quota {
                        quota_us,
                        period_us: v1_period_us?,
                    }
                    .amount(),
                )
            }
            Self::LimitInBytes | Self::MemswLimit => parse_limit_v1(bytes),
            Self::MemoryHigh | Self::MemoryMax => limit(bytes).map(Amount),
            Self::CpuMaxBurst | Self::CpuWeight | Self::CfsBurst | Self::CpuShares => {
                single(bytes).map(Amount)
            }
        }
    }

    /// Whether two texts say the same (`-1` and the number that v1 prints for it).
    #[must_use]
    pub fn same(self, a: &str, b: &str) -> bool {
        if a.trim() == b.trim() {
            return true;
        }
        match self {
            // Equal shares of unequal periods are not the same limit.
            Self::CpuMax => match (parse_max(a.as_bytes()), parse_max(b.as_bytes())) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
            _ => match (self.amount(a, Some(100_000)), self.amount(b, Some(100_000))) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_say_the_same() {
        for (file, a, b, same) in [
            (LimitFile::CpuMax, "max 100000", "max 100000\n", true),
            (LimitFile::CpuMax, "10000 100000", "10000  100000", false),
            (LimitFile::CpuMax, "50000 100000", "25000 50000", false),
            (LimitFile::CfsQuota, "-1", "max", true),
            (LimitFile::LimitInBytes, "-1", "9223372036854771712", true),
            (LimitFile::LimitInBytes, "4096", "8192", false),
            (LimitFile::MemoryHigh, "max", "18446744073709551615", true),
            (LimitFile::MemoryMax, "x", "y", false),
            (LimitFile::CpuWeight, "100", "0100", true),
        ] {
            assert_eq!(file.same(a, b), same, "{file}: {a:?} and {b:?}");
        }
    }

    #[test]
    fn names_are_what_the_ledger_stores() {
        let json = serde_json::to_string(&LimitFile::MemswLimit).unwrap();
        assert_eq!(json, format!("\"{}\"", LimitFile::MemswLimit.name()));
        assert_eq!(
            LimitFile::CfsQuota.amount("50000", Some(100_000)),
            Some(Amount(500_000))
        );
        assert_eq!(LimitFile::CfsQuota.amount("50000", None), None);
    }
}
