//! `trimtab top` in a real terminal, against a fake agent.

use std::{
    process::{Command, Output},
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use trimtab::api::auth::Groups;

use crate::{
    fake::{self, Agent},
    terminal::Terminal,
};

const LOW: (u16, u16) = (80, 24);
const HIGH: (u16, u16) = (160, 50);

/// The command line of it, for a shell.
fn top(agent: &Agent, options: &str) -> String {
    format!(
        "{} --socket {} top {options}",
        fake::binary().display(),
        agent.socket.display()
    )
}

/// A screen on which it runs.
fn open(agent: &Agent, (columns, rows): (u16, u16), options: &str) -> Option<Terminal> {
    let script = format!("LC_ALL=C.UTF-8 NO_COLOR= {}", top(agent, options));
    Terminal::open(columns, rows, &script)
}

/// Compares what is seen with a file, but for what takes its time: how often it asks, and for how long it has.
fn golden(name: &str, screen: &str) {
    let mut lines: Vec<_> = screen.lines().map(str::to_owned).collect();
    if let Some(first) = lines.first_mut()
        && let Some(place) = first.find("every ")
    {
        first.replace_range(place.., "every");
    }
    let text: Vec<_> = lines
        .iter()
        .map(|line| line.replace('·', " ").trim_end().to_owned())
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.join("\n")));
}

#[test]
fn screens_of_both_sizes_are_as_they_should_be() {
    let agent = Agent::start(Groups::default());
    for (name, size) in [("top_80x24", LOW), ("top_160x50", HIGH)] {
        let Some(terminal) = open(&agent, size, "") else {
            return;
        };
        terminal.shows("0/s");
        golden(name, &terminal.at_rest());
    }
}

#[test]
fn keys_do_what_the_footer_says() {
    let agent = Agent::start(Groups::default());
    let Some(terminal) = open(&agent, LOW, "") else {
        return;
    };
    terminal.shows("2 by waiting");
    terminal.press(["?"]);
    terminal.shows("WHAT COMES FIRST");
    terminal.press(["Escape"]);
    terminal.shows("2 by waiting");
    for (key, order) in [
        ("t", "by throttled"),
        ("c", "by CPU"),
        ("m", "by memory"),
        ("u", "by unused"),
        ("l", "by lent"),
        ("r", "by requests"),
        ("n", "by name"),
        ("i", "by name, least"),
        ("s", "by waiting"),
    ] {
        terminal.press([key]);
        terminal.shows(order);
    }
    terminal.press(["/", "w", "e", "b", "Enter"]);
    // Both have the policy `web`.
    terminal.shows("/web  ? help");
    terminal.press(["/", "x"]);
    terminal.shows("no workload fits the filter");
    terminal.press(["Escape"]);
    terminal.shows("WORKLOAD 2 by");
    terminal.press(["j", "Enter"]);
    terminal.shows("/demo/web");
    terminal.shows("WAITED FOR in 10 s");
    terminal.shows("DECISIONS");
    terminal.press(["k"]);
    terminal.shows("/demo/db");
    terminal.press(["Escape"]);
    terminal.shows("WORKLOAD 2 by");
    terminal.press(["q"]);
    terminal.hides("WORKLOAD");
}

#[test]
fn changes_take_a_yes() {
    let agent = Agent::start(Groups::default());
    let Some(terminal) = open(&agent, LOW, "") else {
        return;
    };
    terminal.shows("2 by waiting");
    terminal.press(["p"]);
    terminal.shows("unpin db: let its limits follow its need?  y yes, other keys no");
    terminal.press(["n"]);
    terminal.shows("q quit");
    assert!(agent.backend.take_changes().is_empty());
    terminal.press(["p", "y"]);
    terminal.shows("db is not pinned");
    terminal.press(["P"]);
    terminal.shows("pause: write no limit until resumed");
    terminal.press(["y"]);
    terminal.shows("paused");
    assert_eq!(
        agent.backend.take_changes(),
        ["pin /demo/db false", "pause true"]
    );
}

#[test]
fn a_terminal_that_grows_is_used() {
    let agent = Agent::start(Groups::default());
    let Some(terminal) = open(&agent, LOW, "") else {
        return;
    };
    let low = terminal.shows("q quit");
    assert!(!low.contains("POLICY"), "{low}");
    terminal.resize(HIGH.0, HIGH.1);
    terminal.shows("POLICY");
    terminal.resize(30, 8);
    terminal.shows("is too small");
}

#[test]
fn an_agent_that_goes_is_missed_and_found_again() {
    let mut agent = Agent::start(Groups::default());
    let Some(terminal) = open(&agent, LOW, "--interval 200ms") else {
        return;
    };
    terminal.shows("2 by waiting");
    agent.stop();
    let screen = terminal.shows("NO AGENT for");
    assert!(
        screen.contains("2 by waiting"),
        "what was known stays:\n{screen}"
    );
    let again = Agent::start_at(
        tempfile::tempdir().unwrap(),
        &agent.socket,
        Groups::default(),
    );
    terminal.hides("NO AGENT");
    terminal.shows("2 by waiting");
    drop(again);
}

#[test]
fn the_terminal_is_as_it_was_however_it_ends() {
    let agent = Agent::start(Groups::default());
    for signal in [None, Some(Signal::TERM), Some(Signal::HUP)] {
        let script = format!(
            "echo BEFORE; {}; echo ended $?; stty -a | grep -o -e '-*icanon'; sleep 100",
            top(&agent, "")
        );
        let Some(terminal) = Terminal::open(LOW.0, LOW.1, &script) else {
            return;
        };
        let screen = terminal.shows("q quit");
        assert!(
            !screen.contains("BEFORE"),
            "it has a screen of its own:\n{screen}"
        );
        if let Some(signal) = signal {
            let pid = i32::try_from(terminal.child()).ok().and_then(Pid::from_raw);
            kill_process(pid.unwrap(), signal).unwrap();
        } else {
            terminal.press(["C-c"]);
        }
        let code = signal.map_or(0, |signal| 128 + signal.as_raw());
        terminal.shows(&format!("ended {code}"));
        let screen = terminal.shows("icanon");
        assert!(screen.starts_with("BEFORE"), "{screen}");
        assert!(!screen.contains("-icanon"), "no longer raw:\n{screen}");
    }
}

#[test]
fn colours_are_left_out_where_nobody_wants_them() {
    let agent = Agent::start(Groups::default());
    for (environment, coloured) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let script = format!("LC_ALL=C.UTF-8 {environment} {}", top(&agent, ""));
        let Some(terminal) = Terminal::open(LOW.0, LOW.1, &script) else {
            return;
        };
        terminal.shows("2 by waiting");
        let screen = terminal.screen(true);
        assert_eq!(
            screen.contains("\u{1b}[38;5;1m"),
            coloured,
            "red: {screen:?}"
        );
    }
}

/// Runs it without a terminal.
fn printed(agent: &Agent, options: &[&str]) -> Output {
    let mut command = Command::new(fake::binary());
    command.arg("--socket").arg(&agent.socket).arg("top");
    command
        .args(options)
        .args(["--interval", "100ms"])
        .env("COLUMNS", "80");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[test]
fn without_a_terminal_one_screen_is_printed() {
    let agent = Agent::start(Groups::default());
    let output = printed(&agent, &["--filter", "WEB", "--sort", "name"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("WORKLOAD 2 by name"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let output = printed(&agent, &["--json", "--filter", "db"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["status"]["version"], "1.2.3");
    assert_eq!(json["workloads"][0]["name"], "db");
    assert_eq!(json["workloads"][0]["waited_ns_per_s"], 0);
    assert_eq!(json["changes"][0]["rule"], "first-lift");
}

/// CPU time of a process in clock ticks, of which there are 100 a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1;
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|time| time.parse::<u64>().unwrap()).sum()
}

#[test]
fn thousands_of_workloads_take_a_twentieth_of_a_cpu() {
    let agent = Agent::start(Groups::default());
    agent.backend.more.store(4_998, Relaxed);
    let Some(terminal) = open(&agent, HIGH, "") else {
        return;
    };
    terminal.shows("5000 by waiting");
    let pid = terminal.child();
    let (before, began) = (ticks(pid), Instant::now());
    thread::sleep(Duration::from_secs(10));
    let used = Duration::from_millis(10 * (ticks(pid) - before));
    let share = used.as_secs_f64() / began.elapsed().as_secs_f64();
    println!(
        "trimtab top with 5,000 workloads: {:.1} % of a CPU",
        100.0 * share
    );
    assert!(share <= 0.05, "{share}");
    terminal.press(["G"]);
    terminal.shows("x4997");
}
