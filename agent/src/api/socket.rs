//! The socket file: made with the right owner and mode before anybody can see it, and removed
//! only while it is still ours.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tokio::net::UnixListener;

use super::auth::{READERS, gid_of};

/// How long the kernel may take to close the socket of an agent that has been killed: until then
/// it accepts connections that nobody will answer.
const DYING: Duration = Duration::from_secs(1);

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent answers there.
    #[error("an agent already answers on {}; stop it first, or give this one another `agent.socket`", .0.display())]
    InUse(PathBuf),
    /// Something that is not a socket has the name.
    #[error("{} exists and is not a socket; remove it, or change `agent.socket`", .0.display())]
    NotASocket(PathBuf),
    /// A system call failed.
    #[error("{call} {}: {source}", .path.display())]
    Io {
        /// The system call.
        call: &'static str,
        /// Its argument.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
}

/// Turns an I/O error into one that names the call and the path.
fn at<'a>(call: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> SocketError + 'a {
    move |source| SocketError::Io {
        call,
        path: path.to_owned(),
        source,
    }
}

/// A bound socket file. Dropping it removes the file if it is still the one that was bound.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Binds under a temporary name, sets owner and mode, then renames, so that no client ever
    /// sees a socket with the umask's mode. Needs a tokio runtime.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let group = gid_of(READERS);
        if let Some(parent) = path.parent() {
            make_directory(parent, group)?;
        }
        refuse_if_used(path)?;

        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at("unlink", &temporary)(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&temporary).map_err(at("bind", &temporary))?;
        let finished = finish(&temporary, path, group);
        if finished.is_err() {
            // The first error is the one to report; a leftover is overwritten by the next start.
            let _ = fs::remove_file(&temporary);
        }
        Ok((
            Self {
                path: path.to_owned(),
                inode: finished?,
            },
            listener,
        ))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode) {
            // Nothing is lost when this fails: the next start sees that nobody answers.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Sets owner and mode and gives the socket its name; returns its inode.
fn finish(temporary: &Path, path: &Path, group: Option<u32>) -> Result<u64, SocketError> {
    if group.is_some() {
        chown(temporary, None, group).map_err(at("chown", temporary))?;
    }
    fs::set_permissions(temporary, fs::Permissions::from_mode(0o660))
        .map_err(at("chmod", temporary))?;
    let inode = fs::symlink_metadata(temporary)
        .map_err(at("stat", temporary))?
        .ino();
    fs::rename(temporary, path).map_err(at("rename", path))?;
    Ok(inode)
}

/// Makes the directory, 0750 and of the readers' group, unless it exists: then it is somebody
/// else's to set up (systemd's `RuntimeDirectory`, a test's temporary directory).
fn make_directory(directory: &Path, group: Option<u32>) -> Result<(), SocketError> {
    if directory.as_os_str().is_empty() || directory.exists() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(at("mkdir", parent))?;
    }
    match fs::DirBuilder::new().mode(0o750).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        result => result.map_err(at("mkdir", directory))?,
    }
    if group.is_some() {
        chown(directory, None, group).map_err(at("chown", directory))?;
    }
    Ok(())
}

/// A stale socket, one where nobody listens, may be replaced; anything else may not.
fn refuse_if_used(path: &Path) -> Result<(), SocketError> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at("stat", path)(error)),
    };
    if !meta.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    let patience = Instant::now() + DYING;
    loop {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) if Instant::now() >= patience => {
                return Err(SocketError::InUse(path.to_owned()));
            }
            Ok(_) => thread::sleep(DYING / 50),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
            Err(error) => return Err(at("connect", path)(error)),
        }
    }
}
