//! The guardian with real processes and real groups. A shell stands in for the agent: what it
//! has written when it dies is what levers would have written.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use trimtab_core::signal::Amount;

use super::backend::{Backend, Range, Wish};
use super::cgroupfs::Cgroupfs;
use super::guardian::{guard_command, is_guarded, join, restore_leftovers};
use super::ledger::Ledger;
use crate::sense::testing::{PATIENCE, TestGroup, runtime_dir};

/// A group with a quota of 10 ms, adopted and lifted to one CPU by an agent that is no more.
fn lifted(dir: &tempfile::TempDir) -> Option<TestGroup> {
    let group = TestGroup::make()?;
    group.set_quota(group.path(), "10000");
    let mut ledger = Ledger::open(dir.path(), PATIENCE).unwrap().0;
    let range = Range {
        floor: Amount(10_000),
        ceiling: Amount(2_000_000),
    };
    let job = (
        group.target(group.path()),
        Wish {
            cpu: Some(range),
            ..Wish::default()
        },
    );
    let adopted = Cgroupfs
        .adopt(&mut ledger, vec![job])
        .pop()
        .unwrap()
        .unwrap();
    adopted.cpu.unwrap().lever.write(Amount::CPU).unwrap();
    assert_eq!(group.quota_us(group.path()), "100000");
    Some(group)
}

fn is_original(group: &TestGroup) -> bool {
    group.quota_us(group.path()) == "10000"
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_killed_agent_leaves_no_trace() {
    let dir = runtime_dir();
    let Some(group) = lifted(&dir) else { return };
    let start = Instant::now();
    let ended = guard_command(dir.path(), sh("kill -KILL $$")).unwrap();
    assert_eq!(ended.code(), 128 + 9);
    let report = ended.report.unwrap().unwrap();
    assert_eq!(report.restored.len(), 1, "{report}");
    assert!(is_original(&group));
    eprintln!("killed and restored in {:?}", start.elapsed());
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_agents_status_is_passed_on() {
    let dir = runtime_dir();
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 128 + 15)] {
        let ended = guard_command(dir.path(), sh(script)).unwrap();
        assert_eq!(ended.code(), code, "{script}");
        assert!(
            ended.report.is_none(),
            "nothing was managed: {:?}",
            ended.report
        );
    }
}

#[test]
fn the_agent_knows_its_guardian() {
    let dir = runtime_dir();
    let script = "test \"$TRIMTAB_GUARDED_BY\" = \"$PPID\"";
    assert_eq!(guard_command(dir.path(), sh(script)).unwrap().code(), 0);
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let dir = runtime_dir();
    let error = guard_command(dir.path(), Command::new("/nonexistent/trimtab")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("guardian: start the agent: No such file"),
        "{error}"
    );
}

/// Tells a second and third copy of this test program where to look.
const STATE: &str = "TRIMTAB_TEST_STATE";

fn copy(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        &format!("act::guardian_tests::{role}"),
        "--exact",
        "--nocapture",
    ]);
    command
}

/// Not a test by itself: the guardian of the tests below, when they start it.
#[test]
fn role_of_guardian() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    let ended = guard_command(Path::new(&state), copy("role_of_agent")).unwrap();
    std::process::exit(ended.code().into());
}

/// Not a test by itself: an agent that has lifted a limit, and restores when it is told to stop.
#[test]
fn role_of_agent() {
    let Some(state) = std::env::var_os(STATE) else {
        return;
    };
    assert!(is_guarded());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut term =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        join().unwrap();
        println!("\nready");
        term.recv().await;
    });
    restore_leftovers(Path::new(&state), Instant::now() + PATIENCE).unwrap();
    std::process::exit(7);
}

/// Starts a guardian with an agent under it, and waits until the agent is ready.
fn start(dir: &tempfile::TempDir) -> Child {
    let mut guardian = copy("role_of_guardian")
        .env(STATE, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(guardian.stdout.take().unwrap());
    assert!(
        said.lines().any(|line| line.unwrap() == "ready"),
        "the agent did not start"
    );
    guardian
}

fn signal(process: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn stopping_the_guardian_stops_the_agent_which_restores() {
    let dir = runtime_dir();
    let Some(group) = lifted(&dir) else { return };
    let mut guardian = start(&dir);
    signal(&guardian, rustix::process::Signal::TERM);
    assert_eq!(
        guardian.wait().unwrap().code(),
        Some(7),
        "the agent's status"
    );
    assert!(is_original(&group));
}

#[test]
fn an_agent_whose_guardian_was_killed_restores() {
    let dir = runtime_dir();
    let Some(group) = lifted(&dir) else { return };
    let mut guardian = start(&dir);
    signal(&guardian, rustix::process::Signal::KILL);
    guardian.wait().unwrap();
    let start = Instant::now();
    while !is_original(&group) {
        assert!(
            start.elapsed() < PATIENCE,
            "still {}",
            group.quota(group.path())
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    eprintln!(
        "restored {:?} after the guardian was killed",
        start.elapsed()
    );
}
