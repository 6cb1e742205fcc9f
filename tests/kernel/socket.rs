//! Who may do what on the socket of a real agent: strangers nothing, readers ask, admins change.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use anyhow::{Result, ensure};
use tempfile::TempDir;
use trimtab_tests::{Agent, Group, skip, trimtab_bin};

use crate::trust::{TIGHT, adopted, group, policy, show};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    stranger:x:61001:61001::/:/bin/sh\nreader:x:61002:61002::/:/bin/sh\nadmin:x:61003:61003::/:/bin/sh\n";
const GROUPS: &str = "root:x:0:\ntrimtab:x:61900:reader,admin\ntrimtab-admin:x:61901:admin\n";
const READERS: u32 = 61_900;

/// User and group ids of a process; a process has one group here, as after `newgrp`.
type Who = (u32, u32);
const STRANGER: Who = (61_001, 61_001);
const READER: Who = (61_002, READERS);
/// Opens the socket as a reader; that it is more than that, the user database says.
const ADMIN: Who = (61_003, READERS);

/// `EX_NOPERM`
const DENIED: Option<i32> = Some(77);

/// An agent on a host that has the users and groups above.
struct Host {
    // Dropped in this order: the agent first, then the groups.
    agent: Agent,
    leaf: Group,
    _root: Group,
    /// Where every user may go: the users' program.
    directory: TempDir,
}

/// `None`, with a loud line, where no groups or no private mounts can be made.
fn host(name: &str) -> Result<Option<Host>> {
    let Some(root) = group(name) else {
        return Ok(None);
    };
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "true"]).stderr(Stdio::null());
    if !unshare.status().is_ok_and(|status| status.success()) {
        skip("no mount namespace can be made here, so the agent cannot be given users and groups");
        return Ok(None);
    }
    let leaf = root.child("leaf")?;
    leaf.set_quota_us(Some(TIGHT), 100_000)?;
    let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
    let file = |name: &str| directory.path().join(name);
    fs::write(file("passwd"), PASSWD)?;
    fs::write(file("group"), GROUPS)?;
    // By another process: a descriptor open for writing, inherited by another test's child, would
    // keep the copy from being executed.
    let mut copy = Command::new("cp");
    let copied = copy.arg(trimtab_bin()?).arg(file("trimtab")).status()?;
    ensure!(copied.success(), "{copy:?}: {copied}");

    let mount = "mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /etc/group && shift 2 && exec \"$@\"";
    let mut wrapper: Vec<_> = ["unshare", "-m", "sh", "-c", mount, "sh"]
        .map(Into::into)
        .into();
    wrapper.extend([file("passwd").into(), file("group").into()]);
    let agent = Agent::start_by(wrapper, &policy(&format!("{}/*", root.path()), "enforce"))?;
    adopted(&agent, &leaf, TIGHT)?;
    // Tests' directories are their owner's; that of a host's agent lets its readers in.
    for directory in [
        directory.path(),
        agent.runtime_directory().join("..").as_path(),
    ] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    Ok(Some(Host {
        agent,
        leaf,
        _root: root,
        directory,
    }))
}

/// What a command said.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Host {
    fn program(&self) -> PathBuf {
        self.directory.path().join("trimtab")
    }

    /// Runs a command as somebody, who has no other groups than the one given.
    fn ask(&self, (uid, gid): Who, arguments: &[&str]) -> Result<Said> {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(self.program())
            .arg("--socket")
            .arg(self.agent.socket())
            .args(arguments)
            .current_dir("/")
            .uid(uid)
            .gid(gid)
            .output()?;
        Ok(Said {
            code: status.code(),
            stdout: String::from_utf8(stdout)?,
            stderr: String::from_utf8(stderr)?,
        })
    }

    /// Asserts that a command is refused with these words, and with nothing else said.
    fn refuses(&self, who: Who, arguments: &[&str], words: &str) -> Result<()> {
        let said = self.ask(who, arguments)?;
        assert_eq!(said.code, DENIED, "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.contains(words),
            "{arguments:?}: {}",
            said.stderr
        );
        assert_eq!(said.stdout, "", "{arguments:?}");
        Ok(())
    }

    /// Every command that changes something.
    fn changes(&self) -> [Vec<&str>; 5] {
        let leaf = self.leaf.path();
        [
            vec!["mode", leaf, "observe"],
            vec!["pin", leaf],
            vec!["unpin", leaf],
            vec!["pause"],
            vec!["resume"],
        ]
    }

    /// Asserts that nothing has been changed.
    fn is_as_it_was(&self) -> Result<()> {
        let shown = show(&self.agent, &self.leaf)?;
        let workload = &shown["workload"];
        assert_eq!(
            (&workload["mode"], &workload["pinned"]),
            (&"enforce".into(), &false.into())
        );
        assert_eq!(self.agent.cli(&["status"])?["paused"], false);
        Ok(())
    }
}

#[test]
fn a_stranger_is_refused_and_told_what_to_do() -> Result<()> {
    let Some(host) = host("stranger")? else {
        return Ok(());
    };
    let socket = host.agent.socket();
    let meta = fs::metadata(&socket)?;
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid()),
        (0o660, 0, READERS)
    );
    let keep_out = format!(
        "may not open {}: join the group `trimtab`",
        socket.display()
    );
    host.refuses(STRANGER, &["status"], &keep_out)?;
    for change in host.changes() {
        host.refuses(STRANGER, &change, &keep_out)?;
    }

    // Who gets at the socket all the same is known by what the kernel says, whatever its mode.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
    let read = "user `stranger` (uid 61001) may not read Trimtab's state; \
        join the group `trimtab` (as root: usermod -aG trimtab stranger; then log in again) or be root";
    for command in ["status", "workloads", "doctor", "watch"] {
        host.refuses(STRANGER, &[command], read)?;
    }
    host.refuses(STRANGER, &["show", host.leaf.path()], read)?;
    host.refuses(STRANGER, &["explain", host.leaf.path()], read)?;
    for change in host.changes() {
        host.refuses(STRANGER, &change, "may not change Trimtab's behaviour")?;
    }
    host.is_as_it_was()
}

#[test]
fn a_reader_asks_and_changes_nothing() -> Result<()> {
    let Some(host) = host("reader")? else {
        return Ok(());
    };
    let leaf = host.leaf.path();
    for command in [
        ["status"].as_slice(),
        &["workloads"],
        &["doctor"],
        &["show", leaf],
        &["explain", leaf],
    ] {
        let said = host.ask(READER, command)?;
        assert_eq!(said.code, Some(0), "{command:?}: {}", said.stderr);
        assert_ne!(said.stdout, "", "{command:?}");
    }
    for change in host.changes() {
        host.refuses(
            READER,
            &change,
            "user `reader` (uid 61002) may not change Trimtab's behaviour; join the group \
             `trimtab-admin` (as root: usermod -aG trimtab-admin reader; then log in again) or be root",
        )?;
    }
    host.is_as_it_was()
}

#[test]
fn an_admin_changes() -> Result<()> {
    let Some(host) = host("admin")? else {
        return Ok(());
    };
    for change in host.changes() {
        let said = host.ask(ADMIN, &change)?;
        assert_eq!(said.code, Some(0), "{change:?}: {}", said.stderr);
        let status = host.agent.cli(&["status"])?;
        let workload = &show(&host.agent, &host.leaf)?["workload"];
        match change[0] {
            "mode" => assert_eq!(workload["mode"], "observe"),
            "pin" => assert_eq!(workload["pinned"], true),
            "unpin" => assert_eq!(workload["pinned"], false),
            command => assert_eq!(status["paused"], command == "pause"),
        }
    }
    Ok(())
}
