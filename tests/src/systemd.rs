//! A systemd of one's own: the real program as a user's manager, with units, a bus and groups of a test's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::{
    containerd::{find, remove_everywhere},
    group::Group,
    process::Process,
    skip::skip,
    wait::eventually,
};

/// Where Debian has it.
const PROGRAM: &str = "/usr/lib/systemd/systemd";
/// How long it may take to have its units running.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running manager; dropping it ends its units.
#[derive(Debug)]
pub struct Systemd {
    directory: TempDir,
    manager: Option<Process>,
    root: String,
}

impl Systemd {
    /// Starts one whose units run below a group of the test's; `None`, with a loud line, where it is not installed or
    /// refuses to run. Units are names and texts; all are started.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn start(group: &Group, units: &[(&str, &str)]) -> Result<Option<Self>> {
        if !Path::new(PROGRAM).exists()
            || find("dbus-daemon").is_none()
            || find("unshare").is_none()
        {
            skip("no systemd or no dbus-daemon here: `cargo xtask setup --for test` installs both");
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
        let at = |name: &str| directory.path().join(name).display().to_string();
        fs::create_dir(at("units"))?;
        fs::create_dir(at("run"))?;
        let (bus, config) = (at("bus"), at("bus.conf"));
        fs::write(&config, bus_config(&bus))?;
        // It looks for a bus only once it has started one.
        let service = format!(
            "[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\n\
             ExecStart=dbus-daemon --config-file={config} --address=systemd: --nofork --nopidfile\n"
        );
        let socket = format!("[Socket]\nListenStream={bus}\n");
        let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
        let target = format!(
            "[Unit]\nWants=dbus.socket dbus.service {}\n",
            names.join(" ")
        );
        let own = [
            ("dbus.service", service.as_str()),
            ("dbus.socket", &socket),
            ("default.target", &target),
        ];
        for (name, text) in own.iter().chain(units) {
            fs::write(directory.path().join("units").join(name), text)?;
        }
        // It runs only where systemd has booted the host, or seems to have: in a mount namespace of its own.
        let script = format!(
            "mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec env \
             XDG_RUNTIME_DIR={} DBUS_SESSION_BUS_ADDRESS=unix:path={bus} SYSTEMD_UNIT_PATH={} {PROGRAM} --user",
            at("run"),
            at("units")
        );
        let mut command = group.command("unshare")?;
        command.args(["--mount", "sh", "-c", &script]);
        let systemd = Self {
            manager: Some(Process::spawn(&mut command)?),
            directory,
            root: group.path().to_owned(),
        };
        let tree = group.unified_dir().unwrap_or_else(|| group.cpu_dir());
        let running = |name: &&str| {
            let procs = tree.join("app.slice").join(name).join("cgroup.procs");
            fs::read_to_string(procs).is_ok_and(|pids| !pids.is_empty())
        };
        let started = eventually(PATIENCE, || names.iter().all(running));
        if !started && !tree.join("init.scope").exists() {
            skip("systemd does not run as a user's manager here");
            return Ok(None);
        }
        ensure!(started, "{names:?} are not running after {PATIENCE:?}");
        // It comes to its bus when the bus runs, whatever its units do.
        let answers = eventually(PATIENCE, || systemd.answers());
        ensure!(answers, "it is not on its bus after {PATIENCE:?}");
        Ok(Some(systemd))
    }

    fn answers(&self) -> bool {
        let mut ping = Command::new("busctl");
        ping.arg(format!("--address=unix:path={}", self.bus().display()));
        ping.args([
            "call",
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
        ]);
        ping.args(["org.freedesktop.DBus.Peer", "Ping"]);
        ping.stdout(Stdio::null()).stderr(Stdio::null());
        ping.status().is_ok_and(|status| status.success())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.manager.as_ref()?.id())
    }

    /// The socket of its bus.
    #[must_use]
    pub fn bus(&self) -> PathBuf {
        self.directory.path().join("bus")
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        drop(self.manager.take());
        // It also makes groups in a hierarchy of its own.
        remove_everywhere(&self.root);
    }
}

fn bus_config(bus: &str) -> String {
    format!(
        "<busconfig><type>session</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>\
         </policy></busconfig>"
    )
}
