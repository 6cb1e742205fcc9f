//! `trimtab run` with real groups and real processes.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use trimtab::api::auth::Groups;

use crate::fake::{self, Agent};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether groups can be made here.
fn possible() -> bool {
    let output = run(&["--", "true"], None);
    if output.status.success() {
        return true;
    }
    println!("SKIP: no groups can be made here: {}", text(&output.stderr));
    false
}

fn command(args: &[&str], agent: Option<&Agent>) -> Command {
    let mut command = Command::new(fake::binary());
    // A socket that does not exist keeps an agent of the host out of the tests.
    let socket = agent.map_or_else(
        || PathBuf::from("/nonexistent/trimtab.sock"),
        |agent| agent.socket.clone(),
    );
    command
        .args(["run", "--json", "--socket"])
        .arg(socket)
        .args(args)
        .env_remove("TRIMTAB_CONFIG");
    command
}

fn run(args: &[&str], agent: Option<&Agent>) -> Output {
    command(args, agent).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The summary: the last line of stderr.
fn summary(output: &Output) -> Value {
    let text = text(&output.stderr);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Where cgroup hierarchies are mounted.
fn mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let cgroups = mounts.lines().filter(|line| {
        line.split(' ')
            .nth(2)
            .is_some_and(|kind| kind.starts_with("cgroup"))
    });
    cgroups
        .map(|line| PathBuf::from(line.split(' ').nth(1).unwrap()))
        .collect()
}

/// The groups that a run with this name has left.
fn left_over(name: &str) -> Vec<PathBuf> {
    let groups = mounts()
        .into_iter()
        .filter_map(|mount| fs::read_dir(mount.join("trimtab.run")).ok());
    let paths = groups.flatten().flatten().map(|entry| entry.path());
    paths
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(name)
        })
        .collect()
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

fn signal(number: u32, signal: Signal) {
    kill_process(pid(number), signal).unwrap();
}

/// Gives a program the interrupts that a shell keeps from what it starts in the background.
fn hear_interrupts(command: &mut Command) {
    let default = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: `signal` may be called between fork and exec; no handler of ours is involved.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: the closure only calls `signal`, which is async-signal-safe.
    unsafe { command.pre_exec(default) };
}

/// A run whose command has said its first line.
struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(args: &[&str]) -> (Self, String) {
        let mut command = command(args, None);
        hear_interrupts(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        (Self { child, lines }, line.trim().to_owned())
    }

    fn end(mut self) -> (Output, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                // The command too, which would stay.
                kill_process_group(pid(self.child.id()), Signal::KILL).unwrap();
                panic!("the run does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.lines, &mut rest).unwrap();
        (self.child.wait_with_output().unwrap(), rest)
    }
}

#[test]
fn exit_code_and_output_are_the_commands() {
    if !possible() {
        return;
    }
    let output = run(
        &[
            "--name",
            "test-code",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 7",
        ],
        None,
    );
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stdout), "out\n");
    assert!(text(&output.stderr).contains("err\n"));
    let summary = summary(&output);
    assert_eq!(summary["exit_code"], 7);
    assert_eq!(summary["adopted"], false);
    assert_eq!(summary["not_adopted_because"], "no agent answers");
    assert_eq!(left_over("test-code"), Vec::<PathBuf>::new());
    assert_eq!(
        run(&["--", "sh", "-c", "kill -KILL $$"], None)
            .status
            .code(),
        Some(128 + 9)
    );
    assert_eq!(
        run(&["--", "/nonexistent/command"], None).status.code(),
        Some(127)
    );
    assert_eq!(run(&["--", "/etc/passwd"], None).status.code(), Some(126));
    assert_eq!(
        run(&["sh", "-c", "exit 3"], None).status.code(),
        Some(3),
        "without --, too"
    );
}

#[test]
fn command_runs_inside_its_group_and_its_limits() {
    if !possible() {
        return;
    }
    let script = "cat /proc/self/cgroup; grep SigBlk /proc/self/status";
    let output = run(
        &[
            "--name",
            "test.inside",
            "--cpu-max",
            "0.25",
            "--memory-max",
            "64MiB",
            "--",
            "sh",
            "-c",
            script,
        ],
        None,
    );
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for controller in ["cpu", "memory"] {
        let line = said.lines().find(|line| {
            line.split(':')
                .nth(1)
                .is_some_and(|list| list.split(',').any(|name| name == controller))
        });
        let line = line
            .or_else(|| said.lines().find(|line| line.starts_with("0::")))
            .unwrap();
        assert!(
            line.contains("/trimtab.run/test.inside-"),
            "{controller}: {line}"
        );
    }
    assert!(
        said.contains("SigBlk:\t0000000000000000"),
        "no signal stays held back: {said}"
    );
    assert_eq!(left_over("test.inside"), Vec::<PathBuf>::new());
}

#[test]
fn limits_are_set_and_throttling_is_measured() {
    if !possible() {
        return;
    }
    let spin = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";
    let output = run(
        &[
            "--name",
            "test-quota",
            "--cpu-max",
            "0.2",
            "--",
            "sh",
            "-c",
            spin,
        ],
        None,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = summary(&output);
    let number = |key: &str| {
        summary[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {summary}"))
    };
    assert!(
        number("throttled_ns") > 0 && number("throttled_periods") > 0,
        "{summary}"
    );
    assert_eq!(summary["need_may_be_larger"], true);
    assert!(number("cpu_ns") > 10_000_000, "{summary}");
    assert!(number("wall_ns") > number("cpu_ns"), "{summary}");
    // A window of 100 ms may cover the quotas of two periods.
    assert!(number("cpu_peak_micro_cpus") < 800_000, "{summary}");
    assert!(
        number("memory_peak_bytes") > 0 && number("needed_bytes") >= 1 << 20,
        "{summary}"
    );
}

#[test]
fn unlimited_command_is_not_throttled_and_its_peak_is_seen() {
    if !possible() {
        return;
    }
    let spin = "i=0; while [ $i -lt 600000 ]; do i=$((i+1)); done";
    let output = run(&["--name", "test-peak", "--", "sh", "-c", spin], None);
    let summary = summary(&output);
    assert_eq!(summary["throttled_ns"], 0, "{summary}");
    assert_eq!(summary["need_may_be_larger"], false, "{summary}");
    let peak = summary["cpu_peak_micro_cpus"].as_u64().unwrap();
    assert!(
        (10_000..1_500_000).contains(&peak),
        "one thread cannot use more than a CPU: {summary}"
    );
}

#[test]
fn signals_reach_the_command_once_and_the_group_goes() {
    if !possible() {
        return;
    }
    for (number, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::WINCH, "WINCH"),
    ] {
        let script = format!(
            "trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.01; done"
        );
        let group = format!("test_{name}");
        let (running, first) = Running::start(&["--name", &group, "--", "sh", "-c", &script]);
        assert_eq!(first, "ready");
        signal(running.child.id(), number);
        let (output, rest) = running.end();
        assert_eq!(
            output.status.code(),
            Some(9),
            "{name}: {}",
            text(&output.stderr)
        );
        assert_eq!(rest, format!("got {name}\n"));
        assert_eq!(left_over(&group), Vec::<PathBuf>::new(), "{name}");
    }
    // One that does not catch it dies of it, and the shell's code says so.
    let (running, _) = Running::start(&["--", "sh", "-c", "echo ready; exec sleep 60"]);
    signal(running.child.id(), Signal::TERM);
    assert_eq!(running.end().0.status.code(), Some(128 + 15));
}

#[test]
fn survivors_are_moved_out_and_the_group_goes() {
    if !possible() {
        return;
    }
    let script = "sleep 60 >/dev/null 2>&1 & echo $!";
    let output = run(&["--name", "test-survivor", "--", "sh", "-c", script], None);
    let pid = text(&output.stdout).trim().to_owned();
    let groups =
        fs::read_to_string(Path::new("/proc").join(&pid).join("cgroup")).expect("it lives on");
    signal(pid.parse().unwrap(), Signal::KILL);
    assert!(!groups.contains("trimtab.run"), "{groups}");
    assert_eq!(summary(&output)["still_running"], 1);
    assert_eq!(left_over("test-survivor"), Vec::<PathBuf>::new());
}

/// A script that makes groups inside those of a run with this name.
fn nest(name: &str) -> String {
    format!(
        "for m in $(grep -E ' cgroup2? ' /proc/self/mounts | cut -d' ' -f2); do \
         for d in $m/trimtab.run/{name}-*; do [ -d $d ] && mkdir -p $d/a/b; done; done; true"
    )
}

#[test]
fn runs_inside_runs_and_beside_each_other_leave_nothing() {
    if !possible() {
        return;
    }
    let runs: Vec<_> = (0..6)
        .map(|number| {
            let name = format!("test-many{number}");
            let binary = fake::binary();
            let mut command = command(&["--name", &name, "--"], None);
            command
                .arg(binary)
                .args(["run", "--name", "test-many-inner", "--", "true"])
                .env("TRIMTAB_SOCKET", "/nonexistent/trimtab.sock")
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_eq!(left_over("test-many"), Vec::<PathBuf>::new());
}

#[test]
fn limits_that_cannot_be_set_leave_no_group() {
    if !possible() {
        return;
    }
    let output = run(&["--name", "test-least", "--cpu-max", "5m", "true"], None);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("give at least 0.01"));
    let output = run(
        &["--name", "test-least", "--cpu-max", "99999999999", "true"],
        None,
    );
    assert_eq!(output.status.code(), Some(71), "{}", text(&output.stderr));
    assert_eq!(left_over("test-least"), Vec::<PathBuf>::new());
}

#[test]
fn groups_that_the_command_made_go_with_it() {
    if !possible() {
        return;
    }
    let script = nest("test-nested");
    let output = run(&["--name", "test-nested", "--", "sh", "-c", &script], None);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(summary(&output)["not_removed"], Value::Array(Vec::new()));
    assert_eq!(left_over("test-nested"), Vec::<PathBuf>::new());
}

#[test]
fn a_killed_run_is_cleaned_up_by_the_next() {
    if !possible() {
        return;
    }
    let script = format!("{}; echo $$; exec sleep 60", nest("test-killed"));
    let (running, pid) = Running::start(&["--name", "test-killed", "--", "sh", "-c", &script]);
    signal(running.child.id(), Signal::KILL);
    drop(running.end_quietly());
    assert!(
        !left_over("test-killed").is_empty(),
        "nobody was left to remove it"
    );
    signal(pid.parse().unwrap(), Signal::KILL);
    let deadline = Instant::now() + PATIENCE;
    while !left_over("test-killed").is_empty() {
        assert!(Instant::now() < deadline, "{:?}", left_over("test-killed"));
        assert!(run(&["--", "true"], None).status.success());
    }
}

impl Running {
    /// Reaps a run that was killed, without waiting for its command.
    fn end_quietly(mut self) -> std::io::Result<std::process::ExitStatus> {
        self.child.wait()
    }
}

#[test]
fn a_memory_hog_is_killed_at_its_limit() {
    if !possible() {
        return;
    }
    // Without an agent, the limit is one.
    let grow = "a=x; while :; do a=$a$a; done";
    let output = run(
        &[
            "--name",
            "test-oom",
            "--memory-max",
            "16MiB",
            "--",
            "sh",
            "-c",
            grow,
        ],
        None,
    );
    let summary = summary(&output);
    if summary["oom_kills"] == 0 {
        println!("SKIP: the shell did not get as far as the limit: {summary}");
        return;
    }
    assert_eq!(output.status.code(), Some(128 + 9), "{summary}");
    assert_eq!(summary["need_may_be_larger"], true);
}

#[test]
fn an_agent_adopts_and_releases() {
    if !possible() {
        return;
    }
    let agent = Agent::start(Groups::default());
    let args = [
        "--name",
        "test-agent",
        "--cpu-ceiling",
        "2",
        "--memory-ceiling",
        "1GiB",
        "--",
        "true",
    ];
    let output = run(&args, Some(&agent));
    let summary = summary(&output);
    assert_eq!(summary["adopted"], true, "{summary}");
    assert_eq!(
        (&summary["lifts"], &summary["denials"]),
        (&3.into(), &2.into())
    );
    assert_eq!(
        (&summary["waited_ns"], &summary["waited_source"]),
        (&12_000_000.into(), &"runq".into())
    );
    assert_eq!(
        agent.backend.take_changes(),
        ["adopt test-agent Some(2000000) Some(1073741824)", "release"]
    );
    assert_eq!(
        text(&output.stderr).lines().count(),
        1,
        "nothing but the summary: {}",
        text(&output.stderr)
    );
}
