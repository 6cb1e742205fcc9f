//! The worked examples of the policies' pages, calculated by the engine itself.

use std::fs;

use trimtab_core::{
    decide::{
        Bounds, Engine, Entitlement, Headroom, Objective, Policy, Predictive, Settings, Slo,
        Threshold, WorkloadSpec,
    },
    signal::{Amount, Mode, Nanos, Resource, Slot},
    snapshot::{CpuSignals, LatencySignals, NodeSignals, Snapshot, WorkloadSignals},
};

use super::root;

const SLOT: Slot = Slot(0);

/// One workload under one policy in mode `recommend`, where advice counts as if it had been followed.
struct Example {
    engine: Engine,
    second: u64,
    limit: u64,
    latency: Option<LatencySignals>,
}

impl Example {
    fn new(policy: Policy, limit: u64) -> Self {
        let mut engine = Engine::new(Settings::default());
        let cpu = Bounds::of(Resource::Cpu);
        let spec = WorkloadSpec {
            name: "example".into(),
            parent: None,
            mode: Mode::Recommend,
            policy,
            entitlement: Entitlement::default(),
            born: Nanos(0),
            adopted: [Amount(limit), Amount::UNLIMITED],
            held: [Amount(limit), Amount::UNLIMITED],
            period_us: 100_000,
            bounds: [Some(cpu), None],
        };
        engine.adopt(SLOT, 1, spec);
        Self {
            engine,
            second: 0,
            limit,
            latency: None,
        }
    }

    /// One tick with this use and so many throttled periods of ten; where the limit goes, if it does.
    fn tick(&mut self, used: u64, throttled: u64) -> Option<(u64, String)> {
        self.second += 1;
        let now = Nanos(self.second * Nanos::SECOND.0);
        let cpu = CpuSignals {
            used: Amount(used),
            held: Amount(self.limit),
            period_us: 100_000,
            periods: 10,
            throttled,
            ..CpuSignals::default()
        };
        let snapshot = Snapshot {
            time: now,
            elapsed: Nanos::SECOND,
            node: NodeSignals {
                capacity: Amount(8_000_000),
                ..NodeSignals::default()
            },
            workloads: vec![WorkloadSignals {
                slot: SLOT,
                cpu: Some(cpu),
                memory: None,
                latency: self.latency,
            }],
        };
        let tick = self.engine.tick(now, &snapshot);
        let decision = tick.decisions.first()?;
        Some((decision.to.0, decision.reason.to_string()))
    }

    /// Ticks until the limit moves; in which second, and where it goes.
    fn next(&mut self, used: impl Fn(u64) -> u64) -> (u64, u64) {
        for _ in 0..600 {
            let used = used(self.second);
            if let Some((to, _)) = self.tick(used, 0) {
                return (self.second, to);
            }
        }
        panic!("the limit has not moved for ten minutes");
    }

    /// Whether it stays for two minutes.
    fn stays(&mut self, used: impl Fn(u64) -> u64) {
        for _ in 0..120 {
            let used = used(self.second);
            assert_eq!(self.tick(used, 0), None);
        }
    }
}

/// Whether a page has a row whose second cell is this.
fn has_row(page: &str, cell: &str) {
    let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
    let mut cells = text.lines().filter_map(|line| line.split('|').nth(2));
    assert!(
        cells.any(|found| found.trim() == cell),
        "{page} has no row with `{cell}`"
    );
}

/// 0.40 CPU, and 0.50 in ten seconds of each minute.
fn service(second: u64) -> u64 {
    if second.is_multiple_of(6) {
        500_000
    } else {
        400_000
    }
}

#[test]
fn headroom() {
    let mut example = Example::new(Policy::Headroom(Headroom::default()), 2_000_000);
    let (first, to) = example.next(service);
    assert_eq!((first, to), (180, 1_000_000));
    has_row("POLICY-headroom.md", "2.00 -> 1.00");
    let (second, to) = example.next(service);
    assert_eq!((second - first, to), (10, 600_000));
    has_row("POLICY-headroom.md", "1.00 -> 0.60");
    example.stays(service);
}

#[test]
fn headroom_takes_back_what_hurt() {
    let mut example = Example::new(Policy::Headroom(Headroom::default()), 2_000_000);
    example.next(service);
    example.next(service);
    let (to, why) = example.tick(500_000, 1).expect("an undo");
    assert_eq!(to, 1_400_000, "{why}");
    let undone = example.second;
    let (next, to) = example.next(service);
    assert_eq!(to, 700_000, "the largest cut");
    assert!(next - undone >= 120, "{undone} {next}");
    // 0.65, the target with the wider margin, is more than 90 % of that.
    example.stays(service);
}

/// 0.25 CPU, and 0.60 for five minutes from the 30th of each hour on.
fn reports(second: u64) -> u64 {
    if (30..35).contains(&(second / 60 % 60)) {
        600_000
    } else {
        250_000
    }
}

#[test]
fn predictive() {
    let mut example = Example::new(Policy::Predictive(Predictive::default()), 2_000_000);
    let mut moves = Vec::new();
    let mut why = String::new();
    for _ in 0..3 * 3600 {
        let used = reports(example.second);
        if let Some((to, reason)) = example.tick(used, 0) {
            moves.push((example.second / 60, to / 1_000));
            if example.second == (2 * 60 + 29) * 60 {
                why = reason;
            }
        }
    }
    let minutes = |from: u64| {
        let within = moves.iter().filter(|(minute, _)| *minute / 60 == from);
        within.copied().collect::<Vec<_>>()
    };
    let first = [
        (3, 1_000),
        (3, 500),
        (3, 300),
        (30, 720),
        (35, 360),
        (36, 300),
    ];
    assert_eq!(minutes(0), first);
    assert_eq!(minutes(1), [(90, 720), (95, 360), (96, 300)]);
    assert_eq!(minutes(2), [(149, 720), (155, 360), (156, 300)]);
    has_row("POLICY-predictive.md", "0.30 -> 0.72");
    has_row("POLICY-predictive.md", "0.72 -> 0.36 -> 0.30");
    let page = fs::read_to_string(root().join("docs/POLICY-predictive.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&why) && !why.is_empty(), "{why}");
}

#[test]
fn slo() {
    let policy = Policy::Slo(Slo {
        objective: Objective::Requests(Nanos(50 * Nanos::MILLI.0)),
        ..Slo::default()
    });
    let mut example = Example::new(policy, 2_000_000);
    example.engine.change_mode(SLOT, Mode::Enforce);
    let mut held = vec![2_000_000];
    let mut explained = Vec::new();
    let mut second = |example: &mut Example, late| {
        example.latency = Some(LatencySignals { count: 100, late });
        explained.extend(example.tick(400_000, 0));
        let view = example.engine.view(SLOT, Resource::Cpu).unwrap();
        let now = view.own.unwrap_or(view.adopted).0;
        if held.last() != Some(&now) {
            held.push(now);
        }
    };
    for _ in 0..180 {
        second(&mut example, 0);
    }
    second(&mut example, 30);
    for _ in 0..300 {
        second(&mut example, 0);
    }
    let down = [
        800_000, 640_000, 560_000, 520_000, 480_000, 460_000, 440_000,
    ];
    let mut all = vec![2_000_000];
    all.extend(down);
    all.extend([420_000, 2_000_000]);
    all.extend(down);
    assert_eq!(held, all);
    for cell in [
        "2.00 -> 0.80",
        "0.80 -> 0.42",
        "0.42 -> 2.00",
        "2.00 -> 0.44",
    ] {
        has_row("POLICY-slo.md", cell);
    }
    let page = fs::read_to_string(root().join("docs/POLICY-slo.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, why) = &explained[0];
    assert!(page.contains(why), "{why}");
}

#[test]
fn threshold() {
    let mut example = Example::new(Policy::Threshold(Threshold::default()), 1_000_000);
    let steady = |used| move |_: u64| used;
    // The condition holds from the first tick on, and must have held for three seconds.
    assert_eq!(example.next(steady(950_000)), (4, 1_500_000));
    has_row("POLICY-threshold.md", "1.00 -> 1.50");
    example.stays(steady(950_000));
    let mut limits = Vec::new();
    for _ in 0..3 {
        limits.push(example.next(steady(300_000)).1 / 1_000);
    }
    assert_eq!(limits, [1_000, 666, 444]);
    for row in ["1.50 -> 1.00", "1.00 -> 0.67", "0.67 -> 0.44"] {
        has_row("POLICY-threshold.md", row);
    }
    example.stays(steady(300_000));
}
