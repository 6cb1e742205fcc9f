//! The documented file, the examples, and a table of bad files with their messages.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use trimtab_core::decide::{Bounds, GiveBack};
use trimtab_core::signal::{Amount, Mode, Nanos};

use super::*;
use crate::{
    identity::{
        container::Qos,
        known::{Container, Known},
        path::identify,
    },
    probe::Probe,
};

/// Where the shipped files are.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

/// The node against which parts are checked here.
const NODE: Node = Node {
    cpu: Amount(4_000_000),
    memory: Amount(8 << 30),
};

/// The documented file with every setting uncommented: prose has a blank after the `#`.
fn uncommented() -> String {
    let text = fs::read_to_string(shipped().join("trimtab.toml")).unwrap();
    let setting = |line: &str| {
        line.strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| !c.is_whitespace()))
            .map(str::to_owned)
    };
    text.lines()
        .map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n")
        .collect()
}

#[test]
fn documented_file_changes_nothing_as_it_is() {
    assert_eq!(
        Config::load(&shipped().join("trimtab.toml")).unwrap(),
        Config::default()
    );
}

#[test]
fn documented_defaults_are_the_defaults() {
    let config =
        Config::parse(&uncommented(), "trimtab.toml").unwrap_or_else(|error| panic!("{error}"));
    let services = Policy::new(
        "services",
        Selector::new(&["/system.slice/*.service"]).unwrap(),
    );
    let batch = Policy {
        kind: Kind::Threshold(Threshold::default()),
        ..Policy::new("batch", Selector::new(&["/batch.slice/**"]).unwrap())
    };
    let reports = Policy {
        kind: Kind::Predictive(Predictive::default()),
        ..Policy::new("reports", Selector::new(&["/reports.slice/*"]).unwrap())
    };
    let api = Policy {
        kind: Kind::Slo(Slo::default()),
        ..Policy::new("api", Selector::new(&["/api.slice/*"]).unwrap())
    };
    let workers = Policy {
        kind: Kind::Slo(Slo {
            objective: Objective::Waits(Nanos(5 * Nanos::MILLI.0)),
            ..Slo::default()
        }),
        ..Policy::new("workers", Selector::new(&["/workers.slice/*"]).unwrap())
    };
    let pattern = |text: &str| Pattern::new(text).unwrap();
    let labels = [
        ("app.kubernetes.io/name".to_owned(), pattern("web")),
        ("tier".to_owned(), pattern("{front,edge}")),
    ];
    let shop = Policy {
        matching: Some(Match {
            unit: Some(pattern("*.scope")),
            container: Some(pattern("web")),
            image: Some(pattern("registry.example/shop/*")),
            namespace: Some(pattern("shop")),
            pod: Some(pattern("web-*")),
            qos: Some(Qos::Burstable),
            labels: labels.into(),
        }),
        ..Policy::new("shop", Selector::default())
    };
    let given_back = Policy::new("caches", Selector::new(&["/caches.slice/*"]).unwrap());
    let caches = Policy {
        memory: given_back.memory.map(|bounds| Bounds {
            give_back: Some(GiveBack::default()),
            ..bounds
        }),
        ..given_back
    };
    let steady = Policy {
        shadow: Some("steady-tight".into()),
        ..Policy::new("steady", Selector::new(&["/steady.slice/*"]).unwrap())
    };
    let tight = Policy {
        kind: Kind::Headroom(Headroom {
            margin: 10,
            ..Headroom::default()
        }),
        ..Policy::new("steady-tight", Selector::default())
    };
    // A floor that is written down counts as asked for, and so is not what it is by default.
    let asked = |policy: Policy| Policy {
        cpu: policy.cpu.map(|bounds| Bounds {
            default_floor: false,
            ..bounds
        }),
        memory: policy.memory.map(|bounds| Bounds {
            default_floor: false,
            ..bounds
        }),
        ..policy
    };
    assert_eq!(
        config,
        Config {
            policies: vec![
                asked(services),
                batch,
                reports,
                api,
                workers,
                caches,
                shop,
                steady,
                tight
            ],
            ..Config::default()
        }
    );
}

/// The keys of a table, learned from what is said about one that does not exist.
fn keys_of(table: &str) -> Vec<String> {
    let said = Config::parse(&format!("{table}\nzzzz = 1\n"), "test")
        .unwrap_err()
        .problems
        .remove(0);
    let list = said
        .remedy
        .strip_prefix("write one of: ")
        .unwrap_or_else(|| panic!("{table}: {}", said.remedy));
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented() {
    let tables = [
        ("", ""),
        ("[agent]", "agent."),
        ("[agent.reserve]", "agent.reserve."),
        ("[agent.foreign]", "agent.foreign."),
        ("[agent.budget]", "agent.budget."),
        ("[agent.room]", "agent.room."),
        ("[fast]", "fast."),
        ("[probes]", "probes."),
        ("[gpu]", "gpu."),
        ("[energy]", "energy."),
        ("[anomalies]", "anomalies."),
        ("[identity]", "identity."),
        ("[record]", "record."),
        ("[report]", "report."),
        ("[report.prometheus]", "report.prometheus."),
        ("[[policy]]", "policy."),
        ("[policy.cpu]", "policy.cpu."),
        ("[policy.memory]", "policy.memory."),
        ("[policy.match]", "policy.match."),
    ];
    let mut known = BTreeSet::new();
    for (table, prefix) in tables {
        // Bounds are tables of a policy, so they need one around them.
        let table = if prefix.matches('.').count() > 1 && prefix.starts_with("policy") {
            format!("[[policy]]\n{table}")
        } else {
            table.to_owned()
        };
        known.extend(
            keys_of(&table)
                .into_iter()
                .map(|key| format!("{prefix}{key}")),
        );
    }
    let mut documented = BTreeSet::new();
    collect(
        &toml::from_str(&uncommented()).unwrap(),
        "",
        &mut documented,
    );
    assert_eq!(documented, known);
}

/// Every key of a file, tables included, with those around it.
fn collect(table: &toml::Table, prefix: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            // Labels may be called anything.
            toml::Value::Table(_) if key == "labels" => {}
            toml::Value::Table(inner) => collect(inner, &format!("{name}."), keys),
            toml::Value::Array(items) => {
                items
                    .iter()
                    .filter_map(toml::Value::as_table)
                    .for_each(|inner| collect(inner, &format!("{name}."), keys));
            }
            _ => {}
        }
        keys.insert(name);
    }
}

#[test]
fn examples_are_good() {
    let mut found = 0;
    for entry in fs::read_dir(shipped().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let config = Config::parse_on(&text, &path.display().to_string(), Some(NODE))
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(
            !config.policies.is_empty(),
            "{} has no policy",
            path.display()
        );
        found += 1;
    }
    assert!(found >= 3, "only {found} examples");
}

#[test]
fn bad_files_are_refused_with_place_and_remedy() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata/bad");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let (mut files, mut messages) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => files.insert(stem),
            Some("snap") => messages.insert(stem),
            _ => continue,
        };
    }
    assert!(files.len() >= 30, "only {} files", files.len());
    for stem in &files {
        let name = format!("{stem}.toml");
        let text = fs::read_to_string(directory.join(&name)).unwrap();
        let Err(error) = Config::parse_on(&text, &name, Some(NODE)) else {
            panic!("{name} is accepted");
        };
        for problem in &error.problems {
            assert!(
                problem.line > 0 && !problem.remedy.is_empty(),
                "{name}: {problem:?}"
            );
        }
        settings.bind(|| insta::assert_snapshot!(stem.as_str(), error.to_string()));
    }
    assert_eq!(
        messages.difference(&files).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "messages without a file"
    );
}

#[test]
fn every_probe_is_documented_and_can_be_switched_off() {
    let documented = fs::read_to_string(shipped().join("trimtab.toml")).unwrap();
    for probe in Probe::ALL {
        assert!(documented.contains(&format!("\n#   {probe} ")), "{probe}");
        let config = Config::parse(&format!("[probes]\noff = ['{probe}']\n"), "test").unwrap();
        assert_eq!(config.probes.off, [probe]);
    }
}

#[test]
fn first_policy_that_selects_has_it() {
    let config = Config::parse(
        r#"
        [agent]
        exclude = ["/system.slice/sshd.service"]
        [[policy]]
        name = "web"
        select = ["/system.slice/nginx*.service"]
        mode = "enforce"
        [[policy]]
        name = "rest"
        select = ["/system.slice/*", "/user.slice/**"]
        "#,
        "test",
    )
    .unwrap();
    let policy = |path: &str| chosen(&config, path, &Known::default());
    assert_eq!(policy("/system.slice/nginx.service"), Some("web"));
    assert_eq!(policy("/system.slice/cron.service"), Some("rest"));
    assert_eq!(policy("/system.slice/sshd.service"), None);
    assert_eq!(
        policy("/system.slice/a/b"),
        None,
        "`*` stays within a level"
    );
    assert_eq!(policy("/user.slice/a/b"), Some("rest"), "`**` does not");
    assert_eq!(policy("/system.slice"), None);
    assert_eq!(policy("/"), None);
    assert_eq!(config.policies[0].mode, Mode::Enforce);
}

#[test]
fn a_shadow_is_the_policy_of_that_name_and_has_no_workloads_by_that() {
    let config = Config::parse(
        r#"
        [[policy]]
        name = "web"
        select = ["/web"]
        shadow = "tight"
        [[policy]]
        name = "tight"
        margin = 5
        "#,
        "test",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let [web, tight] = config.policies.as_slice() else {
        panic!("{config:?}")
    };
    assert_eq!(config.shadow_of(web), Some(tight));
    assert_eq!(config.shadow_of(tight), None);
    let known = Known::default();
    assert_eq!(chosen(&config, "/web", &known), Some("web"));
    assert_eq!(chosen(&config, "/tight", &known), None);
}

/// The policy that has a group about which so much is known.
fn chosen<'a>(config: &'a Config, path: &str, known: &Known) -> Option<&'a str> {
    let identity = identify(path);
    let policy = config.policy_for(&Subject {
        path,
        identity: &identity,
        known,
    });
    policy.map(|policy| policy.name.as_str())
}

#[test]
fn what_is_not_known_yet_is_not_selected_by() {
    let config = Config::parse(
        r#"
        [agent]
        exclude = ["/docker/excluded/**"]
        [[policy]]
        name = "shop"
        match.labels = { app = "shop" }
        [[policy]]
        name = "here"
        select = ["/docker/*"]
        match = { container = "web" }
        [[policy]]
        name = "rest"
        select = ["/docker/**"]
        "#,
        "test",
    )
    .unwrap();
    let path = format!("/docker/{}", "a".repeat(64));
    let known = |name: &str, app: &str| Known {
        container: Some(Container {
            name: name.into(),
            labels: [("app".to_owned(), app.to_owned())].into(),
            ..Container::default()
        }),
        ..Known::default()
    };
    assert_eq!(chosen(&config, &path, &Known::default()), Some("rest"));
    let policy = |path: &str, name, app| chosen(&config, path, &known(name, app));
    assert_eq!(policy(&path, "web", "shop"), Some("shop"));
    assert_eq!(policy(&path, "web", "other"), Some("here"));
    assert_eq!(policy(&path, "db", "other"), Some("rest"));
    assert_eq!(policy("/docker/deep/er", "web", "other"), Some("rest"));
    assert_eq!(policy("/elsewhere", "web", "shop"), Some("shop"));
    assert_eq!(policy("/docker/excluded/a", "web", "shop"), None);
    assert!(config.asks_about(&path) && config.asks_about("/elsewhere"));
    assert!(!config.asks_about("/docker/excluded/a"));
    assert!(!Config::default().asks_about(&path));
}

#[test]
fn values_may_be_written_in_several_ways() {
    let cpu = |text: &str| {
        let text = format!("[[policy]]\nname = 'a'\nselect = ['/a']\ncpu.step = {text}\n");
        Config::parse(&text, "test").map(|config| config.policies[0].cpu.unwrap().step)
    };
    assert_eq!(cpu("2"), Ok(Share::Amount(Amount(2_000_000))));
    assert_eq!(cpu("0.25"), Ok(Share::Amount(Amount(250_000))));
    assert_eq!(cpu("'0.5'"), Ok(Share::Amount(Amount(500_000))));
    assert_eq!(cpu("'250m'"), Ok(Share::Amount(Amount(250_000))));
    assert_eq!(cpu("'12.5%'"), Ok(Share::OfNode(1250)));
    assert_eq!(cpu("'12.5 %'"), Ok(Share::OfNode(1250)));
    for wrong in [
        "'1e3'",
        "'.5'",
        "'-1'",
        "'100.01%'",
        "nan",
        "inf",
        "'0.0000001'",
        "1e300",
        "''",
        "'%'",
        "'m'",
    ] {
        assert!(cpu(wrong).is_err(), "{wrong}");
    }
    for (text, bytes) in [
        ("64MiB", 64 << 20),
        ("1.5GiB", 3 << 29),
        ("10 kB", 10_000),
        ("512B", 512),
        ("2TB", 2_000_000_000_000),
    ] {
        assert_eq!(parse_bytes(text), Ok(Amount(bytes)), "{text}");
    }
    for wrong in [
        "64",
        "64M",
        "MiB",
        "64 mib",
        "-1MiB",
        "99999999999TiB",
        "1.MiB.5",
        "",
    ] {
        assert!(parse_bytes(wrong).is_err(), "{wrong}");
    }
    assert_eq!(parse_cpus("1."), Ok(Amount(1_000_000)));
}

#[test]
fn parts_of_a_node_are_exact() {
    assert_eq!(Share::percent(50).of(NODE.cpu), Amount(2_000_000));
    assert_eq!(Share::OfNode(1).of(Amount(10_000)), Amount(1));
    assert_eq!(Share::percent(100).of(Amount(u64::MAX)), Amount(u64::MAX));
    assert_eq!(
        Share::OfNode(9_999).of(Amount(u64::MAX)),
        Amount(u64::try_from(u128::from(u64::MAX) * 9_999 / 10_000).unwrap())
    );
    assert_eq!(Share::Amount(Amount(7)).of(NODE.cpu), Amount(7));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/trimtab.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read /nonexistent/trimtab.toml: No such file or directory (os error 2)"
    );
}

#[test]
fn this_node_has_something() {
    let node = Node::here().unwrap();
    assert!(
        node.cpu >= Amount::CPU && node.memory > Amount::MIB,
        "{node:?}"
    );
    assert_eq!(Config::default().agent.tick, Nanos::SECOND);
}
