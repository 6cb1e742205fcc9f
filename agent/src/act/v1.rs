//! Setting v1 values through `cgroups-rs`, with its traps fenced.
//!
//! The crate opens by path, so it is given the path of a descriptor: the write then reaches the
//! group that was checked, not another one that got its name since. Only plain setters are used:
//! `apply` swallows errors, and the v2 halves of several setters write other files than they say.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::memory::MemController;
use rustix::io::Errno;

use super::error::kernel_said;
use super::files::write_at;
use super::limit_file::LimitFile;
use crate::sense::cgroup::GroupDir;

/// Writes one v1 limit.
///
/// # Errors
/// What the kernel said; EINVAL for a text that is no number, or a file of the v2 interface.
pub(super) fn set(dir: &GroupDir, file: LimitFile, value: &str) -> io::Result<()> {
    let point = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()));
    let invalid = || io::Error::from(Errno::INVAL);
    let signed = || value.trim().parse::<i64>().map_err(|_| invalid());
    let result = match file {
        LimitFile::CfsQuota => {
            let quota = signed()?;
            // The kernel takes any negative number for 'no limit': only the documented one is meant.
            if quota < 0 && quota != -1 {
                return Err(invalid());
            }
            CpuController::new(point, PathBuf::new(), false).set_cfs_quota(quota)
        }
        LimitFile::CpuShares => {
            let shares = value.trim().parse().map_err(|_| invalid())?;
            CpuController::new(point, PathBuf::new(), false).set_shares(shares)
        }
        LimitFile::LimitInBytes => {
            MemController::new(point, PathBuf::new(), false).set_limit(signed()?)
        }
        LimitFile::MemswLimit => {
            MemController::new(point, PathBuf::new(), false).set_memswap_limit(signed()?)
        }
        // The crate does not know the burst.
        LimitFile::CfsBurst => return write_at(dir, file.name(), value),
        LimitFile::CpuMax
        | LimitFile::CpuMaxBurst
        | LimitFile::CpuWeight
        | LimitFile::MemoryHigh
        | LimitFile::MemoryMax => return Err(invalid()),
    };
    result.map_err(|error| kernel_said(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::hierarchy::Version;
    use crate::sense::testing::TestGroup;
    use trimtab_core::signal::Resource;

    fn v1_group() -> Option<TestGroup> {
        let group = TestGroup::make()?;
        if group.version() == Version::V2 {
            eprintln!("SKIP: this host has no v1 hierarchies");
            return None;
        }
        Some(group)
    }

    #[test]
    fn every_setter_writes_the_file_that_it_names_and_no_other() {
        let Some(group) = v1_group() else { return };
        let target = group.target(group.path());
        for (resource, file, value) in [
            (Resource::Cpu, LimitFile::CfsQuota, "50000"),
            (Resource::Cpu, LimitFile::CpuShares, "2048"),
            (Resource::Cpu, LimitFile::CfsBurst, "10000"),
            (Resource::Memory, LimitFile::LimitInBytes, "67108864"),
            (Resource::Memory, LimitFile::MemswLimit, "134217728"),
        ] {
            if !group.file(group.path(), resource, file.name()).exists() {
                eprintln!("SKIP: this kernel has no {file}");
                continue;
            }
            let dir = &target.of(resource).unwrap().0;
            let others = || {
                let all = [
                    LimitFile::CfsQuota,
                    LimitFile::CpuShares,
                    LimitFile::LimitInBytes,
                ];
                let others = all.into_iter().filter(|other| *other != file);
                others
                    .map(|other| group.read(group.path(), other.resource(), other.name()))
                    .collect::<Vec<_>>()
            };
            let before = others();
            set(dir, file, value).unwrap();
            assert_eq!(group.read(group.path(), resource, file.name()), value);
            assert_eq!(others(), before, "{file}");
        }
        assert_eq!(
            group.read(group.path(), Resource::Memory, "memory.swappiness"),
            "60"
        );
    }

    #[test]
    fn what_the_kernel_says_is_not_lost() {
        let Some(group) = v1_group() else { return };
        let child = group.child("c");
        group.set_quota(group.path(), "50000");
        let target = group.target(&child);
        let errno = |file: LimitFile, value: &str| {
            let dir = &target.of(file.resource()).unwrap().0;
            let refused = set(dir, file, value).expect_err(value);
            refused.raw_os_error()
        };
        let invalid = Some(Errno::INVAL.raw_os_error());
        assert_eq!(
            errno(LimitFile::CfsQuota, "60000"),
            invalid,
            "above its parent"
        );
        for value in ["0", "-5", "", "x", "99999999999999999999"] {
            assert_eq!(
                errno(LimitFile::CfsQuota, value),
                invalid,
                "{value:?} must not mean 'no limit'"
            );
        }
        assert_eq!(
            errno(LimitFile::CpuMax, "max 100000"),
            invalid,
            "not a file of this interface"
        );
        assert_eq!(group.quota(&child), "-1");
    }

    #[test]
    fn a_name_given_to_another_group_is_not_followed() {
        let Some(group) = v1_group() else { return };
        let child = group.child("c");
        let old = group.target(&child);
        for root in group.hierarchies.distinct() {
            let _ = std::fs::remove_dir(root.group(&child));
        }
        group.child("c");
        let (dir, _) = old.cpu.as_ref().unwrap();
        assert!(set(dir, LimitFile::CfsQuota, "50000").is_err());
        assert_eq!(group.quota(&child), "-1", "the new group is untouched");
    }
}
