//! The binary as a user calls it: exit codes, `--json`, `check-config`.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use trimtab::api::auth::Groups;

use crate::fake::{self, Agent};

fn trimtab(args: &[&str]) -> Command {
    let mut command = Command::new(fake::binary());
    command
        .args(args)
        .env_remove("TRIMTAB_SOCKET")
        .env_remove("TRIMTAB_CONFIG");
    command
}

fn output(args: &[&str]) -> Output {
    trimtab(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exit_codes_are_those_of_sysexits() {
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none.sock");
    let none = none.to_str().unwrap();
    let bad = directory.path().join("bad.toml");
    fs::write(&bad, "[agent]\ntikc = '1s'\n").unwrap();
    let bad = bad.to_str().unwrap();
    let agent = Agent::start(Groups::default());
    let socket = agent.socket.to_str().unwrap();
    let empty = agent.directory.path().to_str().unwrap();
    let table: &[(&[&str], i32, &str)] = &[
        (&["--help"], 0, ""),
        (&["--version"], 0, ""),
        (&[], 64, "Usage: trimtab"),
        (&["stats"], 64, "similar subcommand exists: 'status'"),
        (
            &["mode", "web", "off"],
            64,
            "possible values: observe, recommend, enforce",
        ),
        (&["explain", "web", "--last", "0"], 64, "0 is not in 1.."),
        (
            &["run", "--cpu-max", "lots", "true"],
            64,
            "`lots` is no amount of CPU",
        ),
        (&["--socket", none, "status"], 69, "no agent answers on"),
        (
            &["--socket", socket, "show", "wbe"],
            65,
            "did you mean web?",
        ),
        (&["--socket", socket, "resume"], 65, "it is not paused"),
        (
            &["--socket", socket, "record", "stop"],
            65,
            "it does not record",
        ),
        (&["history", "web", empty], 65, "there is no recording in"),
        (
            &["check-config", bad],
            78,
            "bad.toml:2:1: unknown key `tikc`",
        ),
        (&["--config", bad, "status"], 78, "did you mean `tick`?"),
        (
            &["--config", "/nonexistent.toml", "agent"],
            78,
            "read /nonexistent.toml: No such file",
        ),
        (&["--socket", socket, "status"], 0, ""),
    ];
    for (args, code, said) in table {
        let output = output(args);
        assert_eq!(
            output.status.code(),
            Some(*code),
            "{args:?}: {}",
            text(&output.stderr)
        );
        assert!(
            text(&output.stderr).contains(said),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn everything_has_json() {
    let agent = Agent::start(Groups::default());
    let ask = |args: &[&str]| -> Value {
        let output = trimtab(args)
            .arg("--json")
            .env("TRIMTAB_SOCKET", &agent.socket)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    };
    assert_eq!(ask(&["status"])["version"], "1.2.3");
    assert_eq!(ask(&["workloads"])[1]["cpu"]["used"]["micro_cpus"], 1);
    assert_eq!(ask(&["show", "web"])["children"][0], "/demo/web/child");
    assert_eq!(ask(&["explain", "web", "-n", "2"])[1]["to"], "unlimited");
    assert_eq!(ask(&["doctor"])[0]["state"], "degraded");
    assert_eq!(ask(&["mode", "web", "observe"])["mode"], "observe");
    assert_eq!(ask(&["pin", "web"])["pinned"], true);
    assert_eq!(ask(&["unpin", "web"])["pinned"], false);
    assert_eq!(ask(&["pause"])["paused"], true);
    assert_eq!(ask(&["record", "start"])["configured"], false);

    let refused = trimtab(&["resume", "--json"])
        .env("TRIMTAB_SOCKET", &agent.socket)
        .output()
        .unwrap();
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(
        (&error["code"], &error["error"]),
        (&65.into(), &"it is not paused".into())
    );
}

#[test]
fn colours_are_for_terminals_only() {
    let agent = Agent::start(Groups::default());
    let plain = trimtab(&["status"])
        .env("TRIMTAB_SOCKET", &agent.socket)
        .output()
        .unwrap();
    assert!(!text(&plain.stdout).contains('\u{1b}'));
    let forced = trimtab(&["status"])
        .env("TRIMTAB_SOCKET", &agent.socket)
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(text(&forced.stdout).contains('\u{1b}'));
    let refused = trimtab(&["status"])
        .env("TRIMTAB_SOCKET", &agent.socket)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!text(&refused.stdout).contains('\u{1b}'));
}

#[test]
fn watch_prints_json_lines_and_ends_with_its_reader() {
    let agent = Agent::start(Groups::default());
    let mut watch = trimtab(&["watch", "--json"])
        .env("TRIMTAB_SOCKET", &agent.socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while agent.backend.journal.receiver_count() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    agent
        .backend
        .journal
        .send(Arc::new(fake::entry(7, "web")))
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&entry["seq"], &entry["from"]["bytes"]),
        (&7.into(), &3.into())
    );
    drop(lines);
    // What is written next finds nobody who reads.
    while watch.try_wait().unwrap().is_none() {
        drop(agent.backend.journal.send(Arc::new(fake::entry(8, "web"))));
        std::thread::sleep(Duration::from_millis(1));
    }
    let ended = watch.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(text(&ended.stderr), "");
}

#[test]
fn check_config_says_what_it_found() {
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good.toml");
    fs::write(&good, "[[policy]]\nname = 'a'\nselect = ['/a']\n").unwrap();
    let good = good.to_str().unwrap();
    let found = output(&["check-config", good]);
    assert_eq!(
        (found.status.code(), text(&found.stdout)),
        (Some(0), format!("{good} is good; policies: 1\n"))
    );

    let bad = directory.path().join("bad.toml");
    fs::write(
        &bad,
        "[[policy]]\nname = 'a'\nselect = []\npercentile = 0\n",
    )
    .unwrap();
    let found = output(&["check-config", "--json", bad.to_str().unwrap()]);
    assert_eq!(found.status.code(), Some(78));
    let verdict: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(verdict["valid"], false);
    let places: Vec<_> = verdict["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["line"].clone(), p["column"].clone()))
        .collect();
    assert_eq!(places, [(3.into(), 10.into()), (4.into(), 14.into())]);
}

#[test]
fn socket_comes_from_the_configuration() {
    let agent = Agent::start(Groups::default());
    let config = agent.directory.path().join("trimtab.toml");
    fs::write(&config, format!("[agent]\nsocket = {:?}\n", agent.socket)).unwrap();
    let found = output(&["--config", config.to_str().unwrap(), "status"]);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert!(
        text(&found.stdout).contains("trimtab 1.2.3"),
        "{}",
        text(&found.stdout)
    );
}
