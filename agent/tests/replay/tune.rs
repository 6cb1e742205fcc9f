//! The tuner: what it finds is what there is to find, the same on any number of threads, and good for a configuration.

use std::{fmt::Write as _, num::NonZeroUsize, path::Path, process::Command};

use serde_json::Value;
use trimtab::{
    replay::{self, Columns, Policy, Report, Source, replay},
    tune::{Goal, Options, Parameter, Space, Start, TuneError, Tuned, tune},
};
use trimtab_core::{
    signal::{Nanos, Resource},
    tune::dominates,
};

use crate::tell::Files;

const MAP: &str = "series=pod,time=t:s,cpu=cpu:millicores,cpu-cap=cap:millicores";

/// Eight pods of forty minutes: half of them use as much always, the others more in every fifth minute.
fn pods() -> Files {
    let mut table = String::from("pod,t,cpu,cap\n");
    for pod in 0..8 {
        for minute in 0..40 {
            let peak = pod % 2 == 1 && minute % 5 == pod / 2;
            let cpu = if peak { 900 } else { 300 + 50 * pod };
            let cap = if minute == 0 { "1000" } else { "" };
            writeln!(table, "pod{pod},{},{cpu},{cap}", minute * 60).unwrap();
        }
    }
    Files::new(&[("pods.csv", table.as_bytes())])
}

fn sources(files: &Files) -> Vec<Source> {
    let path = files.path().join("pods.csv").display().to_string();
    Source::find(&path, Some(&Columns::parse(MAP).unwrap())).unwrap()
}

fn options(goals: &[Goal], budget: usize, threads: usize) -> Options {
    let count = |count| NonZeroUsize::new(count).unwrap();
    Options {
        goals: goals.to_vec(),
        folds: count(3),
        budget: Some(count(budget)),
        time: None,
        population: count(8),
        seed: 7,
        replay: replay::Options {
            threads: count(threads),
            ..replay::Options::default()
        },
    }
}

fn space(parameters: &[Parameter]) -> Space {
    let start = Start::kind("headroom", Nanos(200 * Nanos::MILLI.0)).unwrap();
    Space::new(start, parameters).unwrap()
}

fn run(space: &Space, options: &Options) -> Tuned {
    tune(&sources(&pods()), space, options, &|_| {}).unwrap()
}

/// What a policy comes to by two goals.
fn judged(policies: &[Policy], goals: [Goal; 2]) -> Vec<[u64; 2]> {
    let report: Report = replay(
        &sources(&pods()),
        policies,
        &replay::Options::default(),
        None,
        &|_| {},
    )
    .unwrap();
    let scores = report.all();
    scores
        .iter()
        .map(|score| goals.map(|goal| goal.of(score)))
        .collect()
}

#[test]
fn all_that_can_be_is_found_where_all_is_tried() {
    let goals = [Goal::Cpu, Goal::Changes];
    let space = space(&[Parameter::Margin]);
    let tuned = run(&space, &options(&goals, 1000, 2));
    // Every margin by itself, by another road.
    let text = |margin: &u64| {
        format!("[[policy]]\nname = \"one\"\nselect = [\"/**\"]\nmargin = {margin}\n")
    };
    let margins: Vec<u64> = vec![
        0, 2, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000,
    ];
    let policies: Vec<_> = margins
        .iter()
        .map(|margin| Policy::configured(&text(margin), "one.toml").unwrap())
        .collect();
    let wanted = judged(&policies, goals);
    assert_eq!(tuned.tried, margins.len());
    for row in &tuned.rows {
        let [(Parameter::Margin, margin)] = row.values[..] else {
            panic!("{row:?}")
        };
        let place = margins.iter().position(|one| *one == margin).unwrap();
        assert_eq!(row.all, wanted[place]);
        assert!(
            row.present
                || !wanted.iter().any(|other| {
                    // By less than the third digit is not better.
                    dominates(&other.map(|cost| cost + cost / 100), &wanted[place])
                })
        );
    }
    let least = wanted.iter().map(|costs| costs[0]).min().unwrap();
    let found = tuned.rows.iter().map(|row| row.all[0]).min().unwrap();
    assert!(found <= least + least / 100, "{found} {least}");
}

#[test]
fn the_present_policy_is_that_of_the_agent() {
    let goals = [Goal::Cpu, Goal::Changes];
    let tuned = run(&space(&[]), &options(&goals, 8, 2));
    let present = tuned.rows.iter().find(|row| row.present).unwrap();
    let named = Policy::named("trimtab-headroom").unwrap();
    assert_eq!(present.all, judged(&[named], goals)[0]);
    assert_eq!(present.held_out.as_ref(), Some(&present.all));
}

#[test]
fn the_front_is_no_worse_than_what_is_there() {
    let goals = [Goal::Cpu, Goal::Missed, Goal::Changes];
    let tuned = run(&space(&[]), &options(&goals, 60, 2));
    assert!(tuned.tried <= 60 && tuned.tried > 50, "{}", tuned.tried);
    let present = tuned.rows.iter().find(|row| row.present).unwrap();
    let others = tuned.rows.iter().filter(|row| !row.present);
    let better = others.clone().any(|row| dominates(&row.all, &present.all));
    let beaten = others
        .filter(|row| dominates(&present.all, &row.all))
        .count();
    assert!(better || tuned.rows.len() == 1 || beaten == 0);
    // A twentieth of it is to be had: it is held for nothing.
    let least = tuned.rows.iter().map(|row| row.all[0]).min().unwrap();
    assert!(
        least * 20 < present.all[0] * 19,
        "{least} {}",
        present.all[0]
    );
    assert_eq!(tuned.rows.iter().filter(|row| row.knee).count(), 1);
    assert!(tuned.report.sources["csv"].series == 8);
}

#[test]
fn what_cannot_be_done_is_said() {
    let files = pods();
    let tried = |options: &Options| tune(&sources(&files), &space(&[]), options, &|_| {});
    let mut many = options(&[Goal::Cpu], 4, 1);
    many.folds = NonZeroUsize::new(9).unwrap();
    assert!(matches!(
        tried(&many),
        Err(TuneError::TooFew { folds: 9, units: 8 })
    ));
    let memory = options(&[Goal::Memory], 4, 1);
    assert!(matches!(tried(&memory), Err(TuneError::NoGoal("memory"))));
}

#[test]
fn nodes_that_are_shared_are_held_out_as_a_whole() {
    let mut shared = options(&[Goal::Cpu, Goal::Missed], 12, 2);
    shared.replay.together = Some(replay::Together {
        workloads: NonZeroUsize::new(2).unwrap(),
        room: std::num::NonZeroU32::new(80).unwrap(),
    });
    let tuned = run(&space(&[]), &shared);
    let present = tuned.rows.iter().find(|row| row.present).unwrap();
    let report = replay(
        &sources(&pods()),
        &[Policy::named("trimtab-headroom").unwrap()],
        &shared.replay,
        None,
        &|_| {},
    );
    let score = &report.unwrap().all()[0];
    assert_eq!(
        present.all,
        [Goal::Cpu, Goal::Missed].map(|goal| goal.of(score))
    );
    assert!(score.account(Resource::Cpu).shared > 0);
    shared.folds = NonZeroUsize::new(5).unwrap();
    let few = tune(&sources(&pods()), &space(&[]), &shared, &|_| {});
    assert!(matches!(few, Err(TuneError::TooFew { folds: 5, units: 4 })));
}

/// Standard output, the exit code, and what is said on standard error.
fn trimtab(arguments: &[&str]) -> (String, i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab"))
        .args(arguments)
        .env_remove("TRIMTAB_SOCKET")
        .env_remove("TRIMTAB_CONFIG")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        output.status.code().unwrap(),
        text(output.stderr),
    )
}

fn arguments<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = [
        "tune",
        "--columns",
        MAP,
        "--half",
        "all",
        "--budget",
        "30",
        path,
    ];
    common.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn any_number_of_threads_finds_the_same_and_writes_a_configuration() {
    let files = pods();
    let path = files.path().join("pods.csv").display().to_string();
    let found = ["1", "4"].map(|threads| {
        let out = files.path().join(format!("{threads}.toml"));
        let out = out.display().to_string();
        let more = ["--json", "--threads", threads, "--out", &out, "--seed", "5"];
        let (json, code, told) = trimtab(&arguments(&path, &more));
        assert_eq!(code, 0, "{told}");
        let (checked, code, _) = trimtab(&["check-config", &out]);
        assert_eq!(code, 0, "{checked}");
        (json, std::fs::read_to_string(&out).unwrap())
    });
    assert_eq!(found[0], found[1]);
    let (json, written) = &found[0];
    let json: Value = serde_json::from_str(json).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let knee = rows.iter().find(|row| row["knee"] == true).unwrap();
    let margin = knee["parameters"]["margin"].as_str().unwrap();
    assert!(
        written.contains(&format!("\nmargin = {margin}\n")),
        "{written}"
    );
    assert!(knee["held_out"]["cpu_held_micro_cpus"].as_u64().unwrap() > 0);

    // What is there already, from a configuration, is changed in nothing but what is tuned.
    let config = files.path().join("agent.toml");
    let table = "[[policy]]\nname = \"web\"\nselect = [\"/pod*\"]\ncpu.floor = 0.2\nmargin = 35\n";
    std::fs::write(&config, table).unwrap();
    let config = config.display().to_string();
    let out = files.path().join("web.toml").display().to_string();
    let more = [
        "--config",
        &config,
        "--policy",
        "web",
        "--parameter",
        "percentile",
        "--out",
        &out,
    ];
    let (text, code, told) = trimtab(&arguments(&path, &more));
    assert_eq!(code, 0, "{told}");
    assert!(
        text.contains("PERCENTILE") && text.contains("present"),
        "{text}"
    );
    let written = std::fs::read_to_string(&out).unwrap();
    for kept in ["name = \"web\"", "margin = 35", "cpu = { floor = 0.2 }"] {
        assert!(written.contains(kept), "{written}");
    }
    assert_eq!(trimtab(&["check-config", &out]).1, 0);
}

#[test]
fn text() {
    let files = pods();
    let path = files.path().join("pods.csv").display().to_string();
    let (text, code, _) = trimtab(&arguments(&path, &[]));
    assert_eq!(code, 0);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("tune", text));
}

#[test]
fn failures_say_what_to_do() {
    let files = pods();
    let path = files.path().join("pods.csv").display().to_string();
    let nowhere = Path::new("/proc/nothing.toml").display().to_string();
    for (more, code, told) in [
        (&["--folds", "9"][..], 65, "fewer --folds"),
        (&["--goal", "memory"], 65, "choose another --goal"),
        (&["--goal", "speed"], 64, "there are cpu, memory"),
        (
            &["--parameter", "lead"],
            64,
            "has no `lead` to tune; it has percentile",
        ),
        (&["--kind", "fast"], 64, "possible values"),
        (&["--out", &nowhere], 71, "write /proc/nothing.toml"),
        (
            &["--config", "/nowhere.toml", "--policy", "web"],
            78,
            "read /nowhere.toml",
        ),
        (&["--one-in", "100000"], 65, "none of the series"),
    ] {
        let (_, ended, said) = trimtab(&arguments(&path, more));
        assert!(said.contains(told), "{more:?}: {said}");
        assert_eq!(ended, code, "{more:?}: {said}");
    }
}
