//! What goes in comes out.

use crate::strategies::{call, snapshot, spend};
use proptest::prelude::*;
use trimtab_core::decide::{Decision, Engine, Record, Settings, Tick, reason};
use trimtab_core::record::{
    Call, Decoder, Encoder, Header, Item, Next, Origin, Origins, Segment, VERSION, begin,
};
use trimtab_core::signal::{Amount, Cause, Denial, Event, Mode, Nanos, Resource, Slot, Spend};
use trimtab_core::snapshot::Snapshot;

/// A segment of ticks, each with the calls before it.
pub(crate) fn segment(ticks: &[(Vec<Call>, Nanos, Snapshot)]) -> Vec<u8> {
    let header = Header {
        boot: [7; 16],
        unix_ns: 1_700_000_000_000_000_000,
        monotonic: Nanos(5),
        number: 3,
        continues: true,
        program: "1.2.3".into(),
    };
    let mut bytes = Vec::new();
    begin(&header, &mut bytes).unwrap();
    let mut encoder = Encoder::new();
    let mut frame = Vec::new();
    let mut origins = Origins::default();
    let origin = Origin {
        path: "a/b".into(),
        policy: "p".into(),
    };
    origins.insert(Slot(1), origin);
    encoder
        .key(&Engine::new(Settings::default()), &origins)
        .unwrap();
    encoder.finish(&mut frame).unwrap();
    bytes.extend_from_slice(&frame);
    for (calls, now, snapshot) in ticks {
        for call in calls {
            encoder.call(call).unwrap();
        }
        let tick = tick(now.0 % 3);
        encoder.tick(*now, snapshot, &tick).unwrap();
        encoder.finish(&mut frame).unwrap();
        bytes.extend_from_slice(&frame);
    }
    bytes
}

/// What came of a tick: mostly nothing.
fn tick(decisions: u64) -> Tick {
    let decision = Decision {
        time: Nanos(9),
        slot: Slot(2),
        epoch: 4,
        resource: Resource::Memory,
        mode: Mode::Recommend,
        from: Amount(5 << 20),
        to: Amount(4 << 20),
        seen_seq: 11,
        reason: reason::Reason {
            resource: Resource::Memory,
            from: Amount(5 << 20),
            to: Amount(4 << 20),
            rule: reason::Rule::Trim,
            inputs: vec![
                reason::Input::Percentile {
                    percent: 95,
                    window: Nanos::MINUTE,
                    amount: Amount(3 << 20),
                },
                reason::Input::Margin(20),
            ],
            clamps: vec![reason::Clamp {
                guard: reason::Guard::Floor,
                from: Amount(1),
                to: Amount(2),
            }],
            denial: None,
            otherwise: reason::Otherwise::Idle(Amount(1 << 20)),
        },
    };
    Tick {
        decisions: (0..decisions).map(|_| decision.clone()).collect(),
        ..Tick::default()
    }
}

/// What the fast loop did about an event: it lifted once, and refused before and after that.
fn asked(resource: Resource, second: u64) -> Call {
    let (lift, from) = (second == 2, 1_000_000 * second);
    let granted = if lift { 1_000_000 } else { 0 };
    Call::Record(Record::Spend(Spend {
        seq: second * 2 + resource.index() as u64,
        epoch: 1,
        event: Event {
            time: Nanos(second * Nanos::SECOND.0 - 5),
            slot: Slot(1),
            resource,
            cause: Cause::QuotaNear,
            held: Amount(from),
            used: Amount::ZERO,
            headroom: Amount::UNLIMITED,
        },
        from: Amount(from),
        to: Amount(from + granted),
        granted: Amount(granted),
        pool_left: Amount(2_000_000 - granted),
        burst: u32::from(lift),
        denial: (!lift).then_some(Denial::Rate),
    }))
}

/// Everything in a segment, and how much of its end is torn.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Item>, usize) {
    let mut segment = Segment::open(bytes).unwrap();
    let mut decoder = Decoder::new();
    let mut items = Vec::new();
    loop {
        match segment.read().unwrap() {
            Next::Frame { offset, payload } => {
                decoder.decode(offset, payload, &mut items).unwrap();
            }
            Next::End => return (items, 0),
            Next::Torn { length, .. } => return (items, length),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_comes_back(
        ticks in proptest::collection::vec(
            (proptest::collection::vec(call(), 0..4), snapshot()),
            0..8,
        )
    ) {
        let ticks: Vec<_> = ticks
            .into_iter()
            .map(|(calls, (now, snapshot))| (calls, now, snapshot))
            .collect();
        let bytes = segment(&ticks);
        let (items, torn) = read(&bytes);
        prop_assert_eq!(torn, 0);
        let mut items = items.into_iter();
        match items.next() {
            Some(Item::Key(key)) => {
                prop_assert_eq!(key.origins.get(Slot(1)).map(|origin| origin.path.as_str()), Some("a/b"));
                prop_assert!(key.engine.slots().is_empty());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        for (calls, now, snapshot) in &ticks {
            for call in calls {
                match items.next() {
                    Some(Item::Call(found)) => prop_assert_eq!(&found, call),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            match items.next() {
                Some(Item::Tick(ticked)) => {
                    prop_assert_eq!(ticked.now, *now);
                    prop_assert_eq!(&ticked.snapshot, snapshot);
                    prop_assert_eq!(ticked.decisions, tick(now.0 % 3).decisions);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert!(items.next().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_spends_come_back(spends in proptest::collection::vec(spend(), 0..60)) {
        let calls: Vec<_> = spends.into_iter().map(Record::Spend).map(Call::Record).collect();
        let halves = calls.split_at(calls.len() / 2);
        let ticks = [halves.0, halves.1].map(|half| (half.to_vec(), Nanos(0), Snapshot::default()));
        let (items, torn) = read(&segment(&ticks));
        prop_assert_eq!(torn, 0);
        let found: Vec<_> = items
            .into_iter()
            .filter_map(|item| match item {
                Item::Call(call) => Some(call),
                _ => None,
            })
            .collect();
        prop_assert_eq!(found, calls);
    }
}

/// The layout is part of the version: a change here takes another one, and a word in
/// docs/RECORDING.md.
#[test]
fn the_layout_is_that_of_the_version() {
    let workload = |used| trimtab_core::snapshot::WorkloadSignals {
        slot: Slot(1),
        cpu: Some(trimtab_core::snapshot::CpuSignals {
            used: Amount(used),
            held: Amount(1_000_000),
            period_us: 100_000,
            ..Default::default()
        }),
        memory: Some(trimtab_core::snapshot::MemorySignals {
            used: Amount(used << 12),
            ..Default::default()
        }),
        latency: (used > 1_000).then_some(trimtab_core::snapshot::LatencySignals {
            count: used,
            late: 3,
        }),
    };
    let ticks: Vec<_> = (1..4)
        .map(|second| {
            let now = Nanos(second * Nanos::SECOND.0);
            let snapshot = Snapshot {
                time: now,
                elapsed: Nanos::SECOND,
                workloads: vec![workload(second * 1_000)],
                ..Snapshot::default()
            };
            let calls = vec![
                Call::Pause(second == 2),
                asked(Resource::Cpu, second),
                asked(Resource::Memory, second),
            ];
            (calls, now, snapshot)
        })
        .collect();
    let bytes = segment(&ticks);
    let line = |chunk: &[u8]| {
        let bytes: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ")
    };
    let lines: Vec<_> = bytes.chunks(16).map(line).collect();
    insta::assert_snapshot!(format!("version {VERSION}\n{}", lines.join("\n")));
}
