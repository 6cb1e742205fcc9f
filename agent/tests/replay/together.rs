//! Several series on one node.

use std::{
    fmt::Write as _,
    num::{NonZeroU32, NonZeroUsize},
};

use serde_json::Value;
use trimtab::replay::{Columns, Figures, Options, Policy, Report, Source, State, Together, replay};
use trimtab_core::{score::Score, signal::Resource};

use crate::tell::Files;

pub(crate) const MAP: &str = "series=pod,time=t:s,cpu=cpu:millicores,cpu-cap=cap:millicores,memory=mem:MiB,memory-cap=mem_cap:MiB";
const NAMES: [&str; 3] = ["trimtab-headroom", "static", "captain"];

/// Two hours of five pods that begin with a CPU and 512 MiB, each of which needs more of both in every tenth
/// minute, one after the other.
pub(crate) fn pods() -> Files {
    let mut table = String::from("pod,t,cpu,cap,mem,mem_cap\n");
    for pod in 0..5 {
        for minute in 0..120 {
            let busy = minute % 10 == pod * 2 + 1;
            let (cpu, memory) = if busy { (3600, 600) } else { (60, 200) };
            // Where it is not known what was provisioned, use is not clipped to it.
            let [cap, memory_cap] = if minute == 0 {
                ["1000", "512"]
            } else {
                [""; 2]
            };
            let time = minute * 60;
            writeln!(table, "pod{pod},{time},{cpu},{cap},{memory},{memory_cap}").unwrap();
        }
    }
    Files::new(&[("pods.csv", table.as_bytes())])
}

pub(crate) fn options(workloads: usize, room: u32) -> Options {
    Options {
        together: Some(Together {
            workloads: NonZeroUsize::new(workloads).unwrap(),
            room: NonZeroU32::new(room).unwrap(),
        }),
        each: true,
        ..Options::default()
    }
}

fn policies() -> Vec<Policy> {
    NAMES.map(|name| Policy::named(name).unwrap()).to_vec()
}

fn run(files: &Files, options: &Options, state: Option<State>) -> Report {
    let path = files.path().join("pods.csv").display().to_string();
    let sources = Source::find(&path, Some(&Columns::parse(MAP).unwrap())).unwrap();
    replay(&sources, &policies(), options, state, &|_| {}).unwrap()
}

fn told(report: &Report, options: &Options) -> Value {
    serde_json::to_value(Figures::of(report, &policies(), options, [None, None])).unwrap()
}

fn merged<'a>(scores: impl Iterator<Item = &'a Score>) -> Score {
    scores.fold(Score::default(), |mut all, score| {
        all.merge(score);
        all
    })
}

#[test]
fn nodes_are_filled_in_the_order_of_reading() {
    let options = options(2, 100);
    let files = pods();
    let report = run(&files, &options, None);
    let figures = told(&report, &options);
    let on: Vec<_> = figures["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| {
            let name = series["series"].as_str().unwrap();
            (name.to_owned(), series["node"].as_u64().unwrap())
        })
        .collect();
    let wanted = [1, 1, 2, 2, 3].into_iter().enumerate();
    let wanted: Vec<_> = wanted
        .map(|(pod, node)| (format!("pod{pod}"), node))
        .collect();
    assert_eq!(on, wanted);
    let source = &figures["sources"][0];
    assert_eq!(
        (&source["series"], &source["nodes"]),
        (&5.into(), &3.into())
    );
    let room: Vec<_> = report.nodes.values().map(|node| node.room[0].0).collect();
    assert_eq!(room, [2_000_000, 2_000_000, 1_000_000]);
    // Nothing is counted twice, and nothing is missing.
    for (policy, name) in NAMES.iter().enumerate() {
        let source = &report.sources["csv"].scores[policy];
        let nodes = report.nodes.values().map(|node| &node.scores[policy]);
        assert_eq!(&merged(nodes), source, "{name}");
        for (number, node) in &report.nodes {
            let series = report
                .each
                .values()
                .filter(|each| each.node == Some(*number));
            let series = series.map(|each| &each.scores[policy]);
            // What is kept free for all is the node's.
            let mut node = node.scores[policy].clone();
            for account in &mut node.accounts {
                account.shared = 0;
            }
            assert_eq!(merged(series), node, "{name} on {number}");
        }
    }
}

#[test]
fn any_number_of_threads_and_any_break_give_the_same_bytes() {
    let files = pods();
    let text = |threads, state| {
        let options = Options {
            threads: NonZeroUsize::new(threads).unwrap(),
            ..options(3, 60)
        };
        let report = run(&files, &options, state);
        (told(&report, &options).to_string(), report.reused)
    };
    let state = || State::open(&files.path().join("state")).unwrap();
    let runs = 2 * NAMES.len() as u64;
    let (fresh, _) = text(1, None);
    assert_eq!(text(2, None).0, fresh);
    assert_eq!(text(5, Some(state())), (fresh.clone(), (0, runs)));
    assert_eq!(text(2, Some(state())), (fresh.clone(), (runs, runs)));
    // Another room is another node, and so are other neighbours.
    for other in [options(3, 61), options(4, 60)] {
        assert_eq!(run(&files, &other, Some(state())).reused, (0, runs));
    }
}

#[test]
fn a_full_node_lends_less() {
    let files = pods();
    let scores = |room| {
        let options = options(5, room);
        run(&files, &options, None).all()
    };
    let [roomy, tight] = [100, 60].map(scores);
    let [headroom, fixed] = [0, 1];
    // One after the other needs 3.6 of the five CPUs for a minute: ours lend them.
    assert_eq!(roomy[headroom].violated, 0);
    assert_eq!(roomy[headroom].oom_kills, 0);
    assert!(roomy[fixed].violated > 50 && roomy[fixed].oom_kills > 0);
    // There are three, and half of the memory: somebody has to wait.
    assert!(tight[headroom].violated > 0);
    assert!(tight[headroom].delay > roomy[headroom].delay);
    assert!(tight[headroom].shortfall() < tight[fixed].shortfall());
    // What is kept free for all counts once: 5 % of five CPUs.
    let cpu = roomy[headroom].account(Resource::Cpu);
    assert_eq!(5 * cpu.mean(cpu.shared), 250_000);
}

#[test]
fn one_on_a_node_of_its_own_is_as_if_alone() {
    let files = pods();
    // Either node has eight CPUs.
    let alone = Options {
        each: true,
        ..Options::default()
    };
    let scores = |options: &Options| {
        let report = run(&files, options, None);
        let each = report.each.into_values().map(|each| each.scores);
        // Of ours, a shared node keeps a part free.
        each.map(|scores| scores[1..].to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(scores(&options(1, 800)), scores(&alone));
}

#[test]
fn sources_do_not_share_nodes() {
    let files = pods();
    std::fs::write(files.path().join("rates.txt"), "10\n20\n30\n").unwrap();
    let columns = Columns::parse(MAP).unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let rates = format!("autothrottle-rps:{}", path("rates.txt"));
    let pods = (path("pods.csv"), Some(&columns));
    let sources: Vec<_> = [pods.clone(), (rates, None), pods]
        .into_iter()
        .flat_map(|(given, columns)| Source::find(&given, columns).unwrap())
        .collect();
    let report = replay(&sources, &policies(), &options(4, 100), None, &|_| {}).unwrap();
    let nodes: Vec<_> = report
        .nodes
        .values()
        .map(|node| (node.source, node.series))
        .collect();
    let (csv, rates) = ("csv", "autothrottle-rps");
    assert_eq!(nodes, [(csv, 4), (csv, 1), (rates, 1), (csv, 4), (csv, 1)]);
}
