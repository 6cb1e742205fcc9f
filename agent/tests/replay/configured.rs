//! What a configuration would have done, as one more policy.

use std::{fs, process::Command};

use trimtab::replay::{Columns, Options, Policy, Report, Source, State, replay};
use trimtab_core::{score::Score, signal::Resource};

use crate::{
    tell::Files,
    together::{MAP, options, pods},
};

/// The first pod may have no more than 1.5 CPUs, the next three have all defaults, nobody says anything of the
/// last.
const CONFIG: &str = r#"
[[policy]]
name = "capped"
select = ["/pod0"]
mode = "observe"
cpu.ceiling = 1.5
cpu.floor = 0.5

[[policy]]
name = "others"
select = ["/pod[1-3]"]
"#;

fn run(files: &Files, config: &str, options: &Options, state: Option<State>) -> Report {
    let path = files.path().join("pods.csv").display().to_string();
    let sources = Source::find(&path, Some(&Columns::parse(MAP).unwrap())).unwrap();
    let policies = [
        Policy::configured(config, "what-if.toml").unwrap(),
        Policy::named("trimtab-headroom").unwrap(),
    ];
    replay(&sources, &policies, options, state, &|_| {}).unwrap()
}

fn each() -> Options {
    Options {
        each: true,
        ..Options::default()
    }
}

#[test]
fn each_workload_has_the_bounds_that_it_is_given() {
    let report = run(&pods(), CONFIG, &each(), None);
    let scores: Vec<&[Score]> = report.each.values().map(|each| &each.scores[..]).collect();
    let held = |score: &Score| {
        let cpu = score.account(Resource::Cpu);
        cpu.mean(cpu.held)
    };
    // 3.6 CPUs are wanted: the first has to wait at 1.5, whatever its mode, and half a CPU is kept for it.
    let [configured, defaults] = scores[0] else {
        unreachable!("there are two policies")
    };
    assert_eq!(defaults.violated, 0);
    assert!(configured.violated >= 12, "{}", configured.violated);
    assert!(held(configured) >= 500_000 && held(configured) > held(defaults));
    // The others have the defaults, said by the configuration or not.
    for [configured, defaults] in scores[1..4].iter().map(|scores| [&scores[0], &scores[1]]) {
        assert_eq!(configured, defaults);
    }
    // The last keeps what it began with.
    let alone = &scores[4][0];
    assert_eq!(held(alone), 1_000_000);
    assert_eq!(
        alone
            .accounts
            .each_ref()
            .map(|account| account.changes.count),
        [0; 2]
    );
    assert!(alone.violated > 0 && alone.oom_kills > 0);
    assert_eq!(report.sources["csv"].left_alone, 1);
}

#[test]
fn what_is_kept_free_is_a_part_of_a_shared_node() {
    let reserve = "[agent.reserve]\ncpu = \"20%\"\n".to_owned() + CONFIG;
    let shared = |options: &Options| {
        let scores = run(&pods(), &reserve, options, None).all();
        let cpu = scores[0].account(Resource::Cpu);
        5 * cpu.mean(cpu.shared)
    };
    // Of five CPUs for five pods.
    assert_eq!(shared(&options(5, 100)), 1_000_000);
    assert_eq!(shared(&each()), 0);
}

#[test]
fn another_configuration_is_another_policy() {
    let files = pods();
    let state = || Some(State::open(&files.path().join("state")).unwrap());
    let reused = |config: &str| run(&files, config, &each(), state()).reused;
    assert_eq!(reused(CONFIG), (0, 10));
    assert_eq!(reused(CONFIG), (10, 10));
    assert_eq!(reused(&CONFIG.replace("1.5", "1.6")), (5, 10));
}

#[test]
fn it_stands_beside_the_others() {
    let files = pods();
    let path = |name: &str| files.path().join(name).display().to_string();
    fs::write(path("what-if.toml"), CONFIG).unwrap();
    fs::write(path("wrong.toml"), "[[policy]]\nname = 1\n").unwrap();
    let trimtab = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_trimtab"))
            .args(["replay", "--columns", MAP, "--policy", "static"])
            .args(arguments)
            .arg(path("pods.csv"))
            .env_remove("TRIMTAB_CONFIG")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (text(output.stdout), code, text(output.stderr))
    };
    let (text, code, _) = trimtab(&["--config", &path("what-if.toml")]);
    assert_eq!(code, 0);
    let row = |name: &str| text.find(&format!("\n  {name} ")).unwrap();
    assert!(row("trimtab-configured") < row("static"));
    assert!(
        text.contains("left alone under trimtab-configured: 1, "),
        "{text}"
    );
    let named = ["--policy", "trimtab-configured"];
    let (again, ..) = trimtab(&[&named[..], &["--config", &path("what-if.toml")]].concat());
    assert_eq!(again, text);
    let (_, code, err) = trimtab(&named);
    assert_eq!(code, 64);
    assert!(err.contains("name its file with --config"), "{err}");
    let (_, code, err) = trimtab(&["--config", &path("wrong.toml")]);
    assert_eq!(code, 78);
    assert!(err.contains("wrong.toml:2"), "{err}");
}
