//! A Podman of one's own, with runc beneath and its service for Docker's API: the real program, on a socket, in
//! directories and in groups of a test's.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::{
    containerd::{find, remove_everywhere},
    group::Group,
    image::{self, BUSYBOX, COMMAND, said},
    process::Process,
    skip::skip,
    wait::eventually,
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
/// What it cannot do without.
const PROGRAMS: [&str; 3] = ["podman", "conmon", "runc"];

/// A running service; dropping it ends its containers and what else it has made.
#[derive(Debug)]
pub struct Podman {
    directory: TempDir,
    service: Option<Process>,
    root: String,
}

impl Podman {
    /// The image that containers run, by name.
    pub const IMAGE: &str = "localhost/trimtab-test:1";

    /// Starts one whose groups lie below this one; `None`, with a loud line, where its programs are missing.
    ///
    /// # Errors
    /// When it does not start, or has no image.
    pub fn start(group: &Group) -> Result<Option<Self>> {
        if PROGRAMS.iter().any(|program| find(program).is_none())
            || !PathBuf::from(BUSYBOX).exists()
        {
            skip(
                "no podman here: `cargo xtask setup --for test` installs podman, runc and busybox-static",
            );
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
        let mut podman = Self {
            directory,
            service: None,
            root: group.path().to_owned(),
        };
        let layer = image::layer(podman.directory.path())?;
        let change = format!("CMD {COMMAND:?}");
        said(
            podman
                .command(&["import", "--change", &change])
                .arg(layer)
                .arg(Self::IMAGE),
        )?;
        let address = format!("unix://{}", podman.socket().display());
        let mut service = podman.command(&["system", "service", "--time", "0", &address]);
        service.stderr(Stdio::null());
        podman.service = Some(Process::spawn(&mut service)?);
        let ready = eventually(PATIENCE, || podman.socket().exists());
        ensure!(ready, "podman's service does not start");
        Ok(Some(podman))
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Runs a container, and tells its group's path below the hierarchies' roots.
    ///
    /// # Errors
    /// What podman says.
    pub fn run(&self, name: &str, options: &[&str]) -> Result<String> {
        let mut run = self.command(&["run", "--detach", "--name", name, "--network", "host"]);
        // What it would raise, a build machine may not.
        run.args([
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1000:1000",
        ]);
        run.args(["--cgroup-parent", &self.root]);
        let id = said(run.args(options).arg(Self::IMAGE))?;
        Ok(format!("{}/libpod-{}", self.root, id.trim()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        for (option, name) in [
            ("--root", "root"),
            ("--runroot", "run"),
            ("--tmpdir", "tmp"),
        ] {
            command.arg(option).arg(self.directory.path().join(name));
        }
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        command.args(["--runtime", "runc"]).args(arguments);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Err(error) = said(&mut self.command(&["rm", "--all", "--force", "--time", "0"])) {
            eprintln!("a container cannot be removed: {error:#}");
        }
        drop(self.service.take());
        remove_everywhere(&self.root);
    }
}
