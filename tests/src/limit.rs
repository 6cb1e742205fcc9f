//! A group's limits: quota, period, memory limit and `memory.high`.

use anyhow::{Context, Result, bail};

use crate::{
    files::{number, read, write},
    group::Group,
    hierarchy::Version,
};

/// From here on a v1 memory limit means none: the largest multiple of a page that the kernel holds.
const V1_UNLIMITED: u64 = i64::MAX as u64 / 4096 * 4096;

impl Group {
    /// The CPU quota in microseconds per period; `None` means unlimited.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn quota_us(&self) -> Result<Option<u64>> {
        match self.version() {
            Version::V1 => Ok(read(&self.cpu_dir().join("cpu.cfs_quota_us"))?
                .trim()
                .parse()
                .ok()),
            Version::V2 => Ok(self.cpu_max()?.0),
        }
    }

    /// The length of the period in microseconds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn period_us(&self) -> Result<u64> {
        match self.version() {
            Version::V1 => number(&self.cpu_dir().join("cpu.cfs_period_us")),
            Version::V2 => Ok(self.cpu_max()?.1),
        }
    }

    /// Sets quota and period in microseconds; a quota of `None` means unlimited.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_quota_us(&self, quota: Option<u64>, period: u64) -> Result<()> {
        let directory = self.cpu_dir();
        match self.version() {
            Version::V1 => {
                let quota = quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string());
                write(&directory.join("cpu.cfs_period_us"), &period.to_string())?;
                write(&directory.join("cpu.cfs_quota_us"), &quota)
            }
            Version::V2 => write(
                &directory.join("cpu.max"),
                &format!("{} {period}", or_max(quota)),
            ),
        }
    }

    /// The share beside siblings, 100 by default; on v1 1,024 shares are 100.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cpu_weight(&self) -> Result<u64> {
        match self.version() {
            Version::V1 => Ok(number(&self.cpu_dir().join("cpu.shares"))? * 100 / 1_024),
            Version::V2 => number(&self.cpu_dir().join("cpu.weight")),
        }
    }

    /// The hard memory limit in bytes; `None` means unlimited.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn memory_limit(&self) -> Result<Option<u64>> {
        match self.version() {
            Version::V1 => {
                let limit = number(&self.memory_dir().join("memory.limit_in_bytes"))?;
                Ok((limit < V1_UNLIMITED).then_some(limit))
            }
            Version::V2 => self.bytes_or_max("memory.max"),
        }
    }

    /// Sets the hard memory limit in bytes; `None` means unlimited.
    ///
    /// # Errors
    /// When the kernel refuses, as it does on v1 for a limit below what cannot be reclaimed.
    pub fn set_memory_limit(&self, limit: Option<u64>) -> Result<()> {
        match self.version() {
            Version::V1 => {
                let limit = limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
                write(&self.memory_dir().join("memory.limit_in_bytes"), &limit)
            }
            Version::V2 => write(&self.memory_dir().join("memory.max"), &or_max(limit)),
        }
    }

    /// `memory.high` in bytes; `None` means unlimited.
    ///
    /// # Errors
    /// On v1, which has none.
    pub fn memory_high(&self) -> Result<Option<u64>> {
        self.needs_v2("memory.high")?;
        self.bytes_or_max("memory.high")
    }

    /// Sets `memory.high` in bytes; `None` means unlimited.
    ///
    /// # Errors
    /// On v1, which has none.
    pub fn set_memory_high(&self, high: Option<u64>) -> Result<()> {
        self.needs_v2("memory.high")?;
        write(&self.memory_dir().join("memory.high"), &or_max(high))
    }

    /// Bytes charged to the group, page cache included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn memory_usage(&self) -> Result<u64> {
        number(&self.memory_dir().join(match self.version() {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        }))
    }

    fn cpu_max(&self) -> Result<(Option<u64>, u64)> {
        let file = self.cpu_dir().join("cpu.max");
        let text = read(&file)?;
        let (quota, period) = text
            .trim()
            .split_once(' ')
            .with_context(|| format!("{} holds `{}`", file.display(), text.trim()))?;
        let period = period
            .parse()
            .with_context(|| format!("{}: period `{period}`", file.display()))?;
        Ok((quota.parse().ok(), period))
    }

    fn bytes_or_max(&self, name: &str) -> Result<Option<u64>> {
        let file = self.memory_dir().join(name);
        match read(&file)?.trim() {
            "max" => Ok(None),
            bytes => {
                Ok(Some(bytes.parse().with_context(|| {
                    format!("{} holds `{bytes}`", file.display())
                })?))
            }
        }
    }

    fn needs_v2(&self, what: &str) -> Result<()> {
        if self.version() == Version::V1 {
            bail!("cgroup v1 has no {what}");
        }
        Ok(())
    }
}

fn or_max(value: Option<u64>) -> String {
    value.map_or_else(|| "max".to_owned(), |value| value.to_string())
}
