//! CPU use, throttling and limits of one cgroup.

use std::os::fd::BorrowedFd;
use std::path::Path;

use trimtab_core::signal::Amount;

use super::file::{KeptFile, Scratch, SenseError, Sight, flat, limit, number, single};
use super::hierarchy::Version;

/// A CPU quota as the kernel holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Microseconds of CPU per period; `None` for no limit.
    pub quota_us: Option<u64>,
    /// The period in microseconds, 1,000 to 1,000,000.
    pub period_us: u64,
}

impl Quota {
    /// The quota as an amount of CPU. Rounded up, so that [`Quota::quota_for`] gives back the
    /// same microseconds for every period that the kernel admits.
    #[must_use]
    pub fn amount(self) -> Amount {
        match self.quota_us {
            None => Amount::UNLIMITED,
            Some(quota) => cpu_amount(quota, self.period_us),
        }
    }

    /// The microseconds per period that an amount stands for; `None` for no limit.
    #[must_use]
    pub fn quota_for(amount: Amount, period_us: u64) -> Option<u64> {
        if amount.is_unlimited() {
            return None;
        }
        let quota = u128::from(amount.0) * u128::from(period_us) / 1_000_000;
        u64::try_from(quota).ok()
    }
}

/// `quota` per `period`, both in the same unit of time, as micro-CPUs, rounded up; a period of 0
/// or a quota of all ones is no limit.
#[must_use]
pub fn cpu_amount(quota: u64, period: u64) -> Amount {
    if period == 0 || quota == u64::MAX {
        return Amount::UNLIMITED;
    }
    let amount = (u128::from(quota) * 1_000_000).div_ceil(u128::from(period));
    u64::try_from(amount).map_or(Amount::UNLIMITED, Amount)
}

/// Counters since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// CPU time used, in ns; `None` where nothing accounts it (v1 without `cpuacct`).
    pub usage_ns: Option<u64>,
    /// Periods in which the group had something to run under a quota.
    pub periods: u64,
    /// Periods of these in which it was throttled.
    pub throttled_periods: u64,
    /// Time that its CPUs spent throttled, in ns, summed over CPUs.
    pub throttled_ns: u64,
}

/// `cpu.stat` of v2.
#[must_use]
pub fn parse_stat_v2(text: &[u8]) -> Option<CpuStat> {
    let mut stat = CpuStat::default();
    for (key, value) in flat(text) {
        match key {
            b"usage_usec" => stat.usage_ns = Some(number(value)?.saturating_mul(1_000)),
            b"nr_periods" => stat.periods = number(value)?,
            b"nr_throttled" => stat.throttled_periods = number(value)?,
            b"throttled_usec" => stat.throttled_ns = number(value)?.saturating_mul(1_000),
            _ => {}
        }
    }
    stat.usage_ns.map(|_| stat)
}

/// `cpu.stat` of v1, where use is accounted elsewhere.
#[must_use]
pub fn parse_stat_v1(text: &[u8]) -> Option<CpuStat> {
    let mut stat = CpuStat::default();
    let mut seen = false;
    for (key, value) in flat(text) {
        match key {
            b"nr_periods" => stat.periods = number(value)?,
            b"nr_throttled" => stat.throttled_periods = number(value)?,
            b"throttled_time" => {
                stat.throttled_ns = number(value)?;
                seen = true;
            }
            _ => {}
        }
    }
    seen.then_some(stat)
}

/// `cpu.max`: `$QUOTA $PERIOD`.
#[must_use]
pub fn parse_max(text: &[u8]) -> Option<Quota> {
    let text = text.trim_ascii();
    let space = text.iter().position(|byte| *byte == b' ')?;
    let quota = limit(&text[..space])?;
    let period_us = number(&text[space + 1..])?;
    Some(Quota {
        quota_us: (quota != u64::MAX).then_some(quota),
        period_us,
    })
}

/// The descriptors of one group's CPU files.
#[derive(Debug)]
pub struct CpuReader {
    version: Version,
    stat: Option<KeptFile>,
    usage: Option<KeptFile>,
    quota: Option<KeptFile>,
    period: Option<KeptFile>,
}

impl CpuReader {
    /// Opens the files of the group whose directory in the cpu hierarchy is `dir`; `acct` is its
    /// directory in the cpuacct hierarchy, on v1 only.
    ///
    /// # Errors
    /// A file is there but cannot be opened.
    pub fn open(
        version: Version,
        dir: (BorrowedFd<'_>, &Path),
        acct: Option<(BorrowedFd<'_>, &Path)>,
    ) -> Result<Self, SenseError> {
        let open = |name| KeptFile::open_in(dir.0, dir.1, name);
        let usage = acct
            .map(|(fd, path)| KeptFile::open_in(fd, path, "cpuacct.usage"))
            .transpose()?
            .flatten();
        Ok(match version {
            Version::V2 => Self {
                version,
                stat: open("cpu.stat")?,
                usage: None,
                quota: open("cpu.max")?,
                period: None,
            },
            Version::V1 => Self {
                version,
                stat: open("cpu.stat")?,
                usage,
                quota: open("cpu.cfs_quota_us")?,
                period: open("cpu.cfs_period_us")?,
            },
        })
    }

    /// Closes files until they are read again: those of which only a full reading has need, and of the others as many
    /// as are too many.
    pub fn rest(&mut self) {
        // On v2 it tells of any use, too.
        if let (Some(stat), Some(_)) = (&mut self.stat, &self.usage) {
            stat.close();
        }
        let files = [
            &mut self.stat,
            &mut self.usage,
            &mut self.quota,
            &mut self.period,
        ];
        files.into_iter().flatten().for_each(KeptFile::rest);
    }

    /// CPU time used, in ns, in the cheapest way: any use at all shows there. `None` where nothing
    /// accounts it.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn usage(&self, scratch: &mut Scratch) -> Result<Sight<Option<u64>>, SenseError> {
        let Some(usage) = &self.usage else {
            return Ok(match self.stat(scratch)? {
                Sight::Here(stat) => Sight::Here(stat.usage_ns),
                Sight::Gone => Sight::Gone,
            });
        };
        Ok(match usage.parse(scratch, single)? {
            Sight::Here(usage) => Sight::Here(Some(usage)),
            Sight::Gone => Sight::Gone,
        })
    }

    /// The counters.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn stat(&self, scratch: &mut Scratch) -> Result<Sight<CpuStat>, SenseError> {
        let Some(file) = &self.stat else {
            return Ok(Sight::Gone);
        };
        let parser = if self.version == Version::V2 {
            parse_stat_v2
        } else {
            parse_stat_v1
        };
        let Sight::Here(mut stat) = file.parse(scratch, parser)? else {
            return Ok(Sight::Gone);
        };
        if let Some(usage) = &self.usage {
            let Sight::Here(usage) = usage.parse(scratch, single)? else {
                return Ok(Sight::Gone);
            };
            stat.usage_ns = Some(usage);
        }
        Ok(Sight::Here(stat))
    }

    /// Quota and period as the kernel holds them; `None` where the controller is not enabled.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub fn quota(&self, scratch: &mut Scratch) -> Result<Sight<Option<Quota>>, SenseError> {
        let Some(file) = &self.quota else {
            return Ok(Sight::Here(None));
        };
        let Some(period) = &self.period else {
            return Ok(match file.parse(scratch, parse_max)? {
                Sight::Here(quota) => Sight::Here(Some(quota)),
                Sight::Gone => Sight::Gone,
            });
        };
        let (Sight::Here(quota), Sight::Here(period_us)) =
            (file.parse(scratch, limit)?, period.parse(scratch, single)?)
        else {
            return Ok(Sight::Gone);
        };
        Ok(Sight::Here(Some(Quota {
            quota_us: (quota != u64::MAX).then_some(quota),
            period_us,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT_V2: &[u8] =
        b"usage_usec 912345\nuser_usec 900000\nsystem_usec 12345\nnr_periods 11\n\
        nr_throttled 3\nthrottled_usec 4500\nnr_bursts 0\nburst_usec 0\n";
    const STAT_V1: &[u8] =
        b"nr_periods 11\nnr_throttled 3\nthrottled_time 4500123\nnr_bursts 0\nburst_time 0\n";

    #[test]
    fn stat_of_both_versions() {
        let expected = CpuStat {
            usage_ns: Some(912_345_000),
            periods: 11,
            throttled_periods: 3,
            throttled_ns: 4_500_000,
        };
        assert_eq!(parse_stat_v2(STAT_V2), Some(expected));
        let expected = CpuStat {
            usage_ns: None,
            periods: 11,
            throttled_periods: 3,
            throttled_ns: 4_500_123,
        };
        assert_eq!(parse_stat_v1(STAT_V1), Some(expected));
        let no_controller = parse_stat_v2(b"usage_usec 5\nuser_usec 5\nsystem_usec 0\n").unwrap();
        assert_eq!(
            (no_controller.usage_ns, no_controller.periods),
            (Some(5_000), 0)
        );
    }

    #[test]
    fn damaged_stat_is_refused_at_every_length() {
        for text in [STAT_V2, STAT_V1] {
            for length in 0..text.len() {
                // Must not panic; a cut inside a value that is asked for must not be zero silently.
                let _ = (
                    parse_stat_v2(&text[..length]),
                    parse_stat_v1(&text[..length]),
                );
            }
        }
        assert_eq!(parse_stat_v2(b"nr_periods 1\n"), None);
        assert_eq!(parse_stat_v2(b"usage_usec x\n"), None);
        assert_eq!(parse_stat_v1(b"nr_periods 11\nnr_throttled"), None);
        assert_eq!(parse_stat_v1(b"\xff\xfe"), None);
    }

    #[test]
    fn quotas() {
        assert_eq!(
            parse_max(b"max 100000\n"),
            Some(Quota {
                quota_us: None,
                period_us: 100_000
            })
        );
        assert_eq!(
            parse_max(b"10000 100000\n"),
            Some(Quota {
                quota_us: Some(10_000),
                period_us: 100_000
            })
        );
        for text in [
            &b""[..],
            b"max",
            b"max \n",
            b"10000",
            b"x 100000",
            b"10000 100000 1",
        ] {
            assert_eq!(parse_max(text), None, "{text:?}");
        }
    }

    #[test]
    fn amounts_give_back_the_same_microseconds() {
        for period_us in [
            1_000, 7_777, 30_000, 33_333, 99_999, 100_000, 333_333, 999_999, 1_000_000,
        ] {
            for quota in
                (1_000..60_000)
                    .step_by(97)
                    .chain([1_000_001, 12_345_678, 17_592_186_044_415])
            {
                let held = Quota {
                    quota_us: Some(quota),
                    period_us,
                };
                assert_eq!(
                    Quota::quota_for(held.amount(), period_us),
                    Some(quota),
                    "{held:?}"
                );
                assert_eq!(
                    cpu_amount(quota * 1_000, period_us * 1_000),
                    held.amount(),
                    "ns agree with us"
                );
            }
        }
        assert_eq!(
            Quota {
                quota_us: None,
                period_us: 100_000
            }
            .amount(),
            Amount::UNLIMITED
        );
        assert_eq!(Quota::quota_for(Amount::UNLIMITED, 100_000), None);
        assert_eq!(Quota::quota_for(Amount(1_500_000), 100_000), Some(150_000));
        assert_eq!(cpu_amount(u64::MAX, 100_000_000), Amount::UNLIMITED);
    }
}
