//! The runner: what comes out, the same for any number of threads, after a break, and beside bad files.

use std::{fs, num::NonZeroUsize, path::Path, process::Command};

use serde_json::Value;
use trimtab::replay::{Columns, Figures, Options, Policy, Report, Source, State, replay};
use trimtab_core::signal::Nanos;

const TRACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replay/data/pods.csv");
const MAP: &str = "series=pod,time=t:s,cpu=cpu:cores,cpu-cap=cpu_limit:cores,memory=mem:MiB,memory-cap=mem_limit:MiB";
const NAMES: [&str; 5] = [
    "trimtab-headroom",
    "trimtab-threshold",
    "static:600",
    "vpa",
    "captain",
];

fn policies() -> Vec<Policy> {
    NAMES.map(|name| Policy::named(name).unwrap()).to_vec()
}

fn sources() -> Vec<Source> {
    Source::find(TRACE, Some(&Columns::parse(MAP).unwrap())).unwrap()
}

fn run(options: &Options, state: Option<&Path>) -> Report {
    let state = state.map(|path| State::open(path).unwrap());
    replay(&sources(), &policies(), options, state, &|_| {}).unwrap()
}

fn json(report: &Report, options: &Options) -> String {
    let figures = Figures::of(report, &policies(), options, [None, None]);
    serde_json::to_string_pretty(&figures).unwrap()
}

fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Standard output, the exit code, and what is said on standard error.
fn trimtab(arguments: &[&str]) -> (String, i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab"))
        .arg("replay")
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

#[test]
fn figures() {
    let options = Options {
        each: true,
        ..Options::default()
    };
    golden("run_json", &json(&run(&options, None), &options));
}

#[test]
fn text() {
    let mut arguments = vec![
        "--columns",
        MAP,
        "--cpu-price",
        "0.03",
        "--memory-price",
        "0.004",
    ];
    for name in NAMES {
        arguments.extend(["--policy", name]);
    }
    arguments.push(TRACE);
    let (text, code, _) = trimtab(&arguments);
    assert_eq!(code, 0);
    golden("run_text", &text);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let told = [1, 2, 5].map(|threads| {
        let options = Options {
            threads: NonZeroUsize::new(threads).unwrap(),
            each: true,
            ..Options::default()
        };
        json(&run(&options, None), &options)
    });
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

#[test]
fn a_run_that_was_broken_off_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let options = Options::default();
    let fresh = json(&run(&options, None), &options);
    let all = 2 * NAMES.len() as u64;
    let resumed = |reused: u64, options: &Options| {
        let report = run(options, Some(&state));
        assert_eq!(report.reused, (reused, all));
        json(&report, options)
    };
    assert_eq!(resumed(0, &options), fresh);
    assert_eq!(resumed(all, &options), fresh);
    // Killed in the middle of a line.
    let whole = fs::read(&state).unwrap();
    fs::write(&state, &whole[..whole.len() - 40]).unwrap();
    assert_eq!(resumed(all - 1, &options), fresh);
    assert_eq!(resumed(all, &options), fresh);
    // A digit that is another one.
    let mut damaged = fs::read(&state).unwrap();
    let digit = damaged.iter().rposition(u8::is_ascii_digit).unwrap();
    damaged[digit] = b'0' + (damaged[digit] - b'0' + 1) % 10;
    fs::write(&state, &damaged).unwrap();
    assert_eq!(State::open(&state).unwrap().damaged(), 1);
    assert_eq!(resumed(all - 1, &options), fresh);
    // Scores by other rules are others.
    let mut strict = options;
    strict.rules.objective.0 /= 2;
    resumed(0, &strict);
}

#[test]
fn only_the_beginning() {
    let beginning = Nanos(20 * Nanos::MINUTE.0);
    let options = Options {
        most: Some(beginning),
        ..Options::default()
    };
    let report = run(&options, None);
    let source = &report.sources["csv"];
    assert_eq!((source.series, source.cut), (2, 2));
    assert_eq!(source.time, 2 * u128::from(beginning.0));
    assert_eq!(source.scores[0].windows, 40);
}

#[test]
fn a_bad_file_is_named_and_the_others_are_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::copy(TRACE, path("good.csv")).unwrap();
    let trace = fs::read_to_string(TRACE).unwrap();
    // The second series of this one is bad; the first is whole.
    fs::write(
        path("bad.csv"),
        trace.replace("mail,120,0.05", "mail,120,lots"),
    )
    .unwrap();
    fs::write(path("empty.csv"), "").unwrap();
    let given = format!("csv:{}", directory.path().display());
    let missing = format!("csv:{}", path("none").display());
    let map = ["--columns", MAP, "--policy", "static", "--json"];
    let (out, code, _) = trimtab(&[&map[..], &[&given, &missing]].concat());
    assert_eq!(code, 65);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["sources"][0]["series"], 3);
    let refused = told["refused"].as_array().unwrap();
    let files: Vec<_> = refused
        .iter()
        .map(|refused| {
            let file = Path::new(refused["file"].as_str().unwrap())
                .file_name()
                .unwrap();
            (file.to_str().unwrap().to_owned(), refused["line"].as_u64())
        })
        .collect();
    let wanted = [("none", None), ("bad.csv", Some(64)), ("empty.csv", None)];
    assert_eq!(files, wanted.map(|(file, line)| (file.to_owned(), line)));
    // With nothing left there is no table.
    let (out, code, err) = trimtab(&[&map[..], &[&missing]].concat());
    assert_eq!((out.as_str(), code), ("", 65));
    assert!(err.contains("none"), "{err}");
}

#[test]
fn what_is_not_said_right_is_refused_at_once() {
    for (arguments, wanted) in [
        (
            vec!["--policy", "best"],
            "no policy is called `best`; there are trimtab-headroom, ",
        ),
        (vec!["--policy", "captain:2"], "`captain` takes"),
        (vec!["--columns", "cpu"], "--columns: "),
        (
            vec!["--half", "third"],
            "possible values: tuning, reporting, all",
        ),
        (vec!["--cpu-price", "dear"], "`dear` is no price"),
        (vec!["--threads", "0"], "--threads"),
        (vec!["--one-in", "0"], "--one-in"),
        (vec!["--together", "0"], "--together"),
        (vec!["--room", "50"], "--together <N>"),
    ] {
        let (out, code, err) = trimtab(&[&arguments[..], &[TRACE]].concat());
        assert_eq!((out.as_str(), code), ("", 64), "{arguments:?}");
        assert!(err.contains(wanted), "{arguments:?}: {err}");
    }
}

#[test]
fn requests_are_served_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rates.txt");
    let rates: Vec<_> = (0..600)
        .map(|second| (40 + second % 20).to_string())
        .collect();
    fs::write(&path, rates.join("\n")).unwrap();
    let given = format!("autothrottle-rps:{}", path.display());
    let sources = Source::find(&given, None).unwrap();
    let report = replay(&sources, &policies(), &Options::default(), None, &|_| {}).unwrap();
    let wanted: u64 = (0..600).map(|second| 40 + second % 20).sum();
    for (score, name) in report.all().iter().zip(NAMES) {
        assert_eq!(score.lost_requests, 0, "{name}");
        // What has come and is not answered still waits.
        let missing = wanted - score.latency.count();
        assert_eq!(missing > 0, score.backlog > 0, "{name}: {missing}");
    }
    let used = report.all()[0].accounts[0].clone();
    let cpus = used.mean(used.used);
    assert!(
        (900_000..1_100_000).contains(&cpus),
        "one CPU on average: {cpus}"
    );
}

#[test]
fn the_page_is_one_file_with_reasons() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("page.html");
    let html = path.to_str().unwrap();
    let (_, code, err) = trimtab(&[
        "--columns",
        MAP,
        "--policy",
        "trimtab-headroom",
        "--html",
        html,
        TRACE,
    ]);
    assert_eq!((code, err.as_str()), (0, ""));
    let page = fs::read_to_string(&path).unwrap();
    for outside in ["http", "src=", "href=", "@import", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for tag in ["table", "tr", "svg", "details", "title", "h3"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        assert!(opened > 0, "{tag}");
    }
    // Both loops say why.
    assert!(
        page.contains("throttled while running") || page.contains("nearly"),
        "the fast loop"
    );
    assert!(page.contains("without this"), "the slow loop");
}
