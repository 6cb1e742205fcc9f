//! Why a limit could not be taken over, set or put back.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::ledger::LedgerError;
use super::lever::LeverError;
use crate::identity::source::Failure;
use crate::sense::file::SenseError;

/// Why a limit could not be taken over, set or put back.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The cgroup has been removed: the workload is to be dropped, nothing is wrong.
    #[error("{path}: the cgroup is gone")]
    Gone {
        /// Its directory.
        path: PathBuf,
    },
    /// The kernel refused a system call.
    #[error("{path}: {syscall}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system call.
        syscall: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The kernel refused a value.
    #[error("{path}: writing '{value}': {source}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel took a value but holds another.
    #[error("{path}: wrote '{wrote}', but the kernel holds '{kept}'")]
    NotKept {
        /// The file.
        path: PathBuf,
        /// What was written.
        wrote: String,
        /// What is there.
        kept: String,
    },
    /// Somebody kept writing a limit while it was being taken over.
    #[error("{path}: its owner keeps writing it: it is taken over when that has ended")]
    Unsteady {
        /// The file.
        path: PathBuf,
    },
    /// A file that managing this resource needs is not there.
    #[error(
        "{path}: no such file: is the controller enabled in the parent's cgroup.subtree_control?"
    )]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// A write has not come back yet: the kernel reclaims memory inside it.
    #[error("{what}: not done after {after:?}, still running")]
    Deadline {
        /// What is being done.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The group belongs to somebody else and the policy does not name it.
    #[error("{group}: {owner} writes its limits; select it by name to manage it nevertheless")]
    NotOurs {
        /// The group's path.
        group: String,
        /// Who owns it.
        owner: String,
    },
    /// Who owns the group is systemd's to say, and it does not.
    #[error("{group}: who writes its limits is not known, since systemd is silent: {failure}")]
    OwnerSilent {
        /// The group's path.
        group: String,
        /// How it failed.
        failure: Failure,
    },
    /// An administrator has set a unit's limits for good (`systemctl set-property`).
    #[error("{unit}: what systemd is told of {properties} would not outlast a reload: left alone")]
    Pinned {
        /// The unit.
        unit: String,
        /// What is set.
        properties: String,
    },
    /// A cgroup could not be created, filled or removed.
    #[error("cgroup {group}: {action}: {source}")]
    Group {
        /// The group's path.
        group: String,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The guardian or the agent under it could not be started.
    #[error("guardian: {action}: {source}")]
    Guardian {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The original values could not be kept: nothing has been written to the group.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A direct lever failed.
    #[error(transparent)]
    Lever(#[from] LeverError),
    /// Reading failed.
    #[error(transparent)]
    Sense(#[from] SenseError),
}

/// What the kernel said, out of an error of `cgroups-rs`, which shows it only in its text.
pub(super) fn kernel_said(error: &cgroups_rs::fs::error::Error) -> io::Error {
    let errno = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    errno.map_or_else(
        || io::Error::other(error.to_string()),
        io::Error::from_raw_os_error,
    )
}

impl ActError {
    /// Whether the cgroup has been removed.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Gone { .. } | Self::Lever(LeverError::Gone { .. })
        )
    }

    /// The error number of a refused system call.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. }
            | Self::Io { source, .. }
            | Self::Group { source, .. }
            | Self::Lever(LeverError::Io { source, .. }) => source.raw_os_error(),
            _ => None,
        }
    }
}
