//! Which property of a unit stands for which file of its group (`org.freedesktop.systemd1(5)`).

use trimtab_core::signal::Amount;

use crate::act::limit_file::LimitFile;

/// The files that systemd writes, of those that we do.
pub const FILES: [LimitFile; 4] = [
    LimitFile::CpuMax,
    LimitFile::CpuWeight,
    LimitFile::MemoryHigh,
    LimitFile::MemoryMax,
];

/// systemd keeps a quota in memory as it is told, and on disk in whole per cent of a CPU, rounded down:
/// what is no multiple of this becomes another limit at `daemon-reload` (`src/core/dbus-cgroup.c`).
pub const CPU_GRAIN: u64 = 10_000;

/// The property that stands for a file; `None` for one that systemd does not write.
#[must_use]
pub const fn property(file: LimitFile) -> Option<&'static str> {
    match file {
        LimitFile::CpuMax => Some("CPUQuotaPerSecUSec"),
        LimitFile::CpuWeight => Some("CPUWeight"),
        LimitFile::MemoryHigh => Some("MemoryHigh"),
        LimitFile::MemoryMax => Some("MemoryMax"),
        _ => None,
    }
}

/// The name of the drop-in in which `systemctl set-property` keeps that property.
#[must_use]
pub const fn drop_in(file: LimitFile) -> Option<&'static str> {
    match file {
        LimitFile::CpuMax => Some("50-CPUQuota.conf"),
        LimitFile::CpuWeight => Some("50-CPUWeight.conf"),
        LimitFile::MemoryHigh => Some("50-MemoryHigh.conf"),
        LimitFile::MemoryMax => Some("50-MemoryMax.conf"),
        _ => None,
    }
}

/// The value to tell for an amount: the same number, a quota rounded up to whole per cent of a CPU.
/// [`Amount::UNLIMITED`] is systemd's infinity.
#[must_use]
pub const fn told(file: LimitFile, amount: Amount) -> u64 {
    match file {
        LimitFile::CpuMax if !amount.is_unlimited() => {
            let grains = amount.0.div_ceil(CPU_GRAIN);
            // Nothing is no quota to systemd.
            if grains == 0 {
                CPU_GRAIN
            } else {
                grains.saturating_mul(CPU_GRAIN)
            }
        }
        _ => amount.0,
    }
}

/// The value to tell for what a file is to hold; `None` if the text says nothing.
#[must_use]
pub fn told_for(file: LimitFile, text: &str) -> Option<u64> {
    file.amount(text, None).map(|amount| told(file, amount))
}

/// The files whose properties an administrator has pinned by a drop-in at this path: one that goes before ours at the
/// next `daemon-reload`, since it has the same name and lies where `systemctl set-property` keeps what is set for good,
/// or since it sorts after ours, wherever it lies, and its text sets the property (`systemd.unit(5)`).
pub fn pinned_by(path: &str, text: &str) -> impl Iterator<Item = LimitFile> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let for_good = path.starts_with("/etc/systemd/system.control/");
    FILES.into_iter().filter(move |file| {
        drop_in(*file)
            .is_some_and(|own| for_good && name == own || name > own && sets(text, setting(own)))
    })
}

/// What the setting is called in the drop-in of this name.
fn setting(drop_in: &str) -> &str {
    let name = drop_in.trim_start_matches("50-");
    name.trim_end_matches(".conf")
}

/// Whether a line of a unit's file gives the setting a value, or takes an earlier one away.
fn sets(text: &str, setting: &str) -> bool {
    text.lines().any(|line| {
        line.split_once('=')
            .is_some_and(|(name, _)| name.trim() == setting)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_told_in_whole_per_cent_rounded_up() {
        for (micro_cpus, wanted) in [
            (0, 10_000),
            (1, 10_000),
            (10_000, 10_000),
            (12_345, 20_000),
            (1_000_000, 1_000_000),
            (u64::MAX, u64::MAX),
            (u64::MAX - 1, u64::MAX),
        ] {
            assert_eq!(told(LimitFile::CpuMax, Amount(micro_cpus)), wanted);
        }
        assert_eq!(told(LimitFile::MemoryHigh, Amount(12_345)), 12_345);
        for (file, text, wanted) in [
            (LimitFile::CpuMax, "55500 100000", Some(560_000)),
            (LimitFile::CpuMax, "max 100000", Some(u64::MAX)),
            (LimitFile::MemoryMax, "max", Some(u64::MAX)),
            (LimitFile::MemoryMax, "4096", Some(4096)),
            (LimitFile::CpuWeight, "200", Some(200)),
            (LimitFile::CpuWeight, "", None),
        ] {
            assert_eq!(told_for(file, text), wanted, "{file}: {text:?}");
        }
    }

    #[test]
    fn pinned_is_what_an_administrator_set_for_good() {
        let control = "system.control/a.service.d";
        let own = "[Service]\nCPUQuota=20%\n";
        let both = "[Service]\n# MemoryHigh=1G\nMemoryMax=1G\n  CPUQuota = 20%\n";
        let cpu = LimitFile::CpuMax;
        for (path, text, wanted) in [
            (
                format!("/etc/systemd/{control}/50-CPUQuota.conf"),
                own,
                vec![cpu],
            ),
            (
                format!("/etc/systemd/{control}/50-MemoryMax.conf"),
                "",
                vec![LimitFile::MemoryMax],
            ),
            (
                format!("/run/systemd/{control}/50-CPUQuota.conf"),
                own,
                vec![],
            ),
            (
                format!("/etc/systemd/{control}/50-TasksMax.conf"),
                "",
                vec![],
            ),
            (
                "/etc/systemd/system/a.service.d/50-CPUQuota.conf".into(),
                own,
                vec![],
            ),
            (
                "/etc/systemd/system/a.service.d/10-limits.conf".into(),
                both,
                vec![],
            ),
            (
                "/etc/systemd/system/a.service.d/override.conf".into(),
                both,
                vec![cpu, LimitFile::MemoryMax],
            ),
            (
                "/usr/lib/systemd/system/service.d/90-all.conf".into(),
                own,
                vec![cpu],
            ),
            (
                "/etc/systemd/system/a.service.d/override.conf".into(),
                "[Service]\n",
                vec![],
            ),
        ] {
            assert_eq!(pinned_by(&path, text).collect::<Vec<_>>(), wanted, "{path}");
        }
    }

    #[test]
    fn only_what_has_a_property_has_a_drop_in() {
        for file in FILES {
            assert!(property(file).is_some() && drop_in(file).is_some());
        }
        assert_eq!(property(LimitFile::CpuMaxBurst), None);
        assert_eq!(property(LimitFile::LimitInBytes), None);
    }
}
