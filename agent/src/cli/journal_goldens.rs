//! What users read about what was done and why, from fixed entries of the journal.

use trimtab_core::signal::Resource;

use super::{
    explain,
    goldens::{both, cpu, golden, mib},
    journal,
};
use crate::api::view::*;

pub(super) fn an_outcome() -> Outcome {
    let signals = |used, throttled| TrialSignals {
        ticks: 10,
        used: cpu(used),
        throttled_per_mille: Some(throttled),
        throttled_ns_per_s: Some(u64::from(throttled) * 500_000),
        waited_ns_per_s: Some(0),
        limit_met: None,
    };
    Outcome {
        verdict: "helped".into(),
        ground: "beyond".into(),
        text: "10 s later: throttled 12 % -> 0 %, use 0.24 CPU -> 0.41 CPU: it helped: it used more than 0.25 CPU".into(),
        after_ns: 10_100_000_000,
        from: cpu(250_000),
        to: cpu(500_000),
        before: signals(240_000, 120),
        after: signals(410_000, 0),
    }
}

pub(super) fn some_entries() -> Vec<Entry> {
    let spend = Entry {
        seq: 42,
        monotonic_ns: 5_000_000_000,
        unix_ns: 1_700_000_000_123_456_789,
        kind: EntryKind::Spend,
        workload: "nginx".into(),
        path: "/system.slice/nginx.service".into(),
        resource: Some(Resource::Cpu),
        from: Some(cpu(250_000)),
        to: Some(cpu(500_000)),
        cause: "quota-near".into(),
        rule: "first-lift".into(),
        denial: None,
        written: true,
        latency_ns: Some(42_000),
        reason: Reason {
            text: "The period's quota was nearly spent, so the limit was doubled.".into(),
            inputs: vec![
                Input {
                    name: "pool_left".into(),
                    value: Value::Quantity(cpu(5_779_500)),
                    stage: Stage::default(),
                },
                Input {
                    name: "age".into(),
                    value: Value::DurationNs(17_000),
                    stage: Stage::default(),
                },
                Input {
                    name: "percentile".into(),
                    value: Value::Number(95.0),
                    stage: Stage::default(),
                },
                Input {
                    name: "level".into(),
                    value: Value::Text("leaf".into()),
                    stage: Stage::default(),
                },
            ],
            clamps: vec!["ceiling".into(), "parent".into()],
            otherwise: "Throttled at 0.25 CPU until the period ends.".into(),
            ..Reason::default()
        },
        outcome: Some(an_outcome()),
    };
    let denied = Entry {
        seq: 43,
        resource: Some(Resource::Memory),
        kind: EntryKind::Spend,
        from: Some(mib(64)),
        to: Some(mib(64)),
        cause: "memory-near".into(),
        rule: String::new(),
        denial: Some("ceiling".into()),
        written: false,
        latency_ns: None,
        reason: Reason {
            text: "The limit stands at the ceiling.".into(),
            ..Reason::default()
        },
        outcome: None,
        ..spend.clone()
    };
    let advice = Entry {
        seq: 44,
        kind: EntryKind::Decision,
        from: Some(cpu(500_000)),
        to: Some(cpu(180_000)),
        cause: "tick".into(),
        rule: "trim".into(),
        written: false,
        latency_ns: None,
        reason: Reason {
            text: "p95 over 1 min is 0.15 CPU.".into(),
            ..Reason::default()
        },
        outcome: None,
        ..spend.clone()
    };
    let notice = Entry {
        seq: 45,
        unix_ns: 1_700_000_001_000_000_000,
        kind: EntryKind::Notice,
        reason: Reason {
            text: "3 events were lost: the ring buffer was full.".into(),
            ..Reason::default()
        },
        ..Entry::default()
    };
    vec![spend, denied, advice, notice]
}

#[test]
fn explain_says_why() {
    both("explain", &some_entries(), |entries| {
        explain::render(entries)
    });
    golden("explain_nothing", &explain::render(&[]));
}

#[test]
fn watch_prints_a_line_each() {
    let lines: String = some_entries()
        .iter()
        .map(|entry| journal::line(entry, true))
        .collect();
    golden("watch", &lines);
}
