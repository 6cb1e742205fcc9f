//! Who schedules the tasks that are not real-time: the fair class, which keeps quotas, or a program of `sched_ext`.

use std::{fs, path::Path};

/// Where the kernel tells of `sched_ext` (6.12 and newer, `Documentation/scheduler/sched-ext.rst`).
const SCHED_EXT: &str = "/sys/kernel/sched_ext";

/// A setting that is there where the fair class keeps quotas (`sched_fair_sysctls` in `kernel/sched/fair.c`).
const SLICE: &str = "/proc/sys/kernel/sched_cfs_bandwidth_slice_us";

/// Who schedules the tasks that are not real-time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// The kernel's fair class.
    Fair {
        /// Whether it keeps quotas (`CONFIG_CFS_BANDWIDTH`).
        quotas: bool,
    },
    /// A program of `sched_ext`. The kernel tells it what quotas there are (6.17 and newer), and keeps none itself.
    Extension {
        /// What it calls itself.
        name: String,
        /// All of them; else only those that asked for it (`SCHED_EXT`).
        all: bool,
    },
}

impl Scheduler {
    /// Who does so now; it may change at any time.
    #[must_use]
    pub fn now() -> Self {
        Self::told_in(Path::new(SCHED_EXT), Path::new(SLICE))
    }

    fn told_in(directory: &Path, slice: &Path) -> Self {
        let told = |file: &str| {
            let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
            text.trim().to_owned()
        };
        if !matches!(told("state").as_str(), "enabled" | "enabling" | "disabling") {
            return Self::Fair {
                quotas: slice.exists(),
            };
        }
        Self::Extension {
            name: told("root/ops"),
            all: told("switch_all") == "1",
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// What the kernel says; stands in for kernels with a scheduler loaded, which tests cannot have.
    fn kernel(files: &[(&str, &str)]) -> TempDir {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        for (file, text) in files {
            fs::write(directory.path().join(file), text).unwrap();
        }
        directory
    }

    #[test]
    fn without_sched_ext_it_is_the_fair_class() {
        let nothing = kernel(&[]);
        let none = kernel(&[("state", "disabled\n"), ("switch_all", "0\n")]);
        let absent = nothing.path().join("absent");
        let slice = none.path().join("state");
        for directory in [nothing.path(), none.path(), &absent] {
            for (slice, quotas) in [(&slice, true), (&absent, false)] {
                let told = Scheduler::told_in(directory, slice);
                assert_eq!(told, Scheduler::Fair { quotas });
            }
        }
    }

    #[test]
    fn a_loaded_scheduler_is_known_by_its_name() {
        let extension = |state, all| {
            let files = [
                ("state", state),
                ("switch_all", all),
                ("root/ops", "rusty\n"),
            ];
            Scheduler::told_in(kernel(&files).path(), Path::new(SLICE))
        };
        let rusty = |all| Scheduler::Extension {
            name: "rusty".into(),
            all,
        };
        assert_eq!(extension("enabled\n", "1\n"), rusty(true));
        assert_eq!(extension("disabling\n", "1\n"), rusty(true));
        assert_eq!(extension("enabled\n", "0\n"), rusty(false));
    }
}
