//! How a command ends: with one of the exit codes of `sysexits.h`, or with its command's own.

use std::{io, path::Path};

use crate::{api::client::ClientError, config::ConfigError};

/// The command line is wrong.
pub(super) const USAGE: u8 = 64;
/// What was named does not exist, or the agent refused it.
pub(super) const DATA: u8 = 65;
/// The agent does not answer.
pub(super) const UNAVAILABLE: u8 = 69;
/// Something went wrong inside.
pub(super) const SOFTWARE: u8 = 70;
/// The operating system refused.
pub(super) const OS: u8 = 71;
/// Output failed.
pub(super) const IO: u8 = 74;
/// The agent speaks another version.
pub(super) const PROTOCOL: u8 = 76;
/// The user may not do this.
pub(super) const NO_PERMISSION: u8 = 77;
/// The configuration is wrong.
pub(super) const CONFIG: u8 = 78;

/// Why a command failed, and the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What to tell the user.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure of the operating system: no permission, or something else.
    pub(super) fn os(call: &str, path: &Path, source: &io::Error) -> Self {
        let code = if source.kind() == io::ErrorKind::PermissionDenied {
            NO_PERMISSION
        } else {
            OS
        };
        Self {
            code,
            error: anyhow::anyhow!("{call} {}: {source}", path.display()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match error {
            ClientError::NotRunning(_)
            | ClientError::Transport { .. }
            | ClientError::Connect { .. } => UNAVAILABLE,
            ClientError::NoAccess(_) | ClientError::Denied(_) => NO_PERMISSION,
            ClientError::NotFound(_) | ClientError::Refused(_) => DATA,
            ClientError::Malformed(_) => PROTOCOL,
        };
        Self {
            code,
            error: error.into(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let denied = matches!(&error, ConfigError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied);
        Self {
            code: if denied { NO_PERMISSION } else { CONFIG },
            error: error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            code: IO,
            error: error.into(),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self {
            code: IO,
            error: error.into(),
        }
    }
}

/// What hooks report: the cause decides the code where it is one that has its own.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let denied = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == io::ErrorKind::PermissionDenied);
        let code = if denied {
            NO_PERMISSION
        } else if error
            .chain()
            .any(<dyn std::error::Error>::is::<ConfigError>)
        {
            CONFIG
        } else {
            SOFTWARE
        };
        Self { code, error }
    }
}
