//! Recordings as history.

use std::fs;

use trimtab::{
    record::{Recorder, Tape, segments},
    replay::{Quantity, Series, Source},
};
use trimtab_core::{
    decide::{Bounds, Entitlement, Policy, Settings, WorkloadSpec},
    record::Origin,
    signal::{Amount, Mode, Nanos, Resource, Slot},
    snapshot::{CpuSignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals},
};

const SECOND: u64 = Nanos::SECOND.0;

fn adopt(recorder: &mut Recorder, slot: u32, path: &str, cpu: Amount) {
    let spec = WorkloadSpec {
        name: path.to_owned(),
        parent: None,
        mode: Mode::Recommend,
        policy: Policy::default(),
        entitlement: Entitlement::default(),
        born: Nanos(0),
        adopted: [cpu, Amount(1 << 30)],
        held: [cpu, Amount(1 << 30)],
        period_us: 100_000,
        bounds: Resource::ALL.map(|resource| Some(Bounds::of(resource))),
    };
    recorder.adopt(Slot(slot), 1, spec, Origin::new(path, "web"));
}

/// A second in which the workload in slot 0 uses so many milli-CPUs, and that in slot 1 ten times as many MiB.
fn tick(recorder: &mut Recorder, second: u64, cpu: [Option<u64>; 2]) {
    let signals = |(slot, milli): (u32, u64)| WorkloadSignals {
        slot: Slot(slot),
        cpu: Some(CpuSignals {
            used: Amount(milli * 1_000),
            held: Amount(4_000_000),
            period_us: 100_000,
            periods: 10,
            ..CpuSignals::default()
        }),
        memory: (slot == 1).then_some(MemorySignals {
            used: Amount((milli * 20) << 20),
            anonymous: Amount((milli * 10) << 20),
            held: Amount(1 << 30),
            hard: Amount(1 << 30),
            ..MemorySignals::default()
        }),
        latency: None,
    };
    let workloads = cpu
        .into_iter()
        .zip(0..)
        .filter_map(|(milli, slot)| Some((slot, milli?)));
    let now = Nanos(second * SECOND);
    let snapshot = Snapshot {
        time: now,
        elapsed: Nanos::SECOND,
        node: NodeSignals {
            capacity: Amount(8_000_000),
            memory_total: Amount(16 << 30),
            memory_available: Amount(8 << 30),
            ..NodeSignals::default()
        },
        workloads: workloads.map(signals).collect(),
    };
    let _ = recorder.tick(now, &snapshot);
}

#[test]
fn a_recording_is_a_series_for_each_workload() {
    let directory = tempfile::tempdir().unwrap();
    let tape = Tape::start(directory.path().to_owned(), 64 << 20).unwrap();
    let mut recorder = Recorder::new(Settings::default(), Some(tape));
    adopt(&mut recorder, 0, "web/shop", Amount(2_000_000));
    for second in 1..=5 {
        tick(&mut recorder, second, [Some(100 * second), None]);
    }
    adopt(&mut recorder, 1, "batch", Amount::UNLIMITED);
    for second in 6..=9 {
        // More than the owner had set, for two seconds.
        let lent = if second < 8 { 3_000 } else { 500 };
        tick(&mut recorder, second, [Some(lent), Some(second)]);
    }
    recorder.remove(Slot(0));
    tick(&mut recorder, 10, [None, Some(10)]);
    drop(recorder.stop());

    let given = format!("recording:{}", directory.path().display());
    let mut reader = Source::find(&given, None).unwrap().remove(0).read();
    let batch = Series::next(&mut reader).unwrap().unwrap();
    let shop = Series::next(&mut reader).unwrap().unwrap();
    assert_eq!(Series::next(&mut reader).unwrap(), None);
    assert_eq!(
        (batch.head.name.as_str(), shop.head.name.as_str()),
        ("batch", "web/shop")
    );
    assert_eq!([batch.head.step, shop.head.step], [Nanos::SECOND; 2]);
    // What was used up to a moment was used from the tick before on.
    let began = shop.head.began.unwrap();
    assert_eq!(batch.head.began.unwrap() - began, 5 * SECOND);

    let values = |series: &Series, quantity| -> Vec<_> {
        series
            .samples()
            .map(|sample| sample.get(quantity))
            .collect()
    };
    let milli =
        |milli: &[u64]| -> Vec<_> { milli.iter().map(|milli| Some(milli * 1_000)).collect() };
    let used = [100, 200, 300, 400, 500, 3_000, 3_000, 500, 500];
    assert_eq!(values(&shop, Quantity::Cpu), milli(&used));
    let caps = used.map(|used| used.max(2_000));
    assert_eq!(values(&shop, Quantity::CpuCap), milli(&caps));
    assert!(!shop.has(Quantity::Memory) && !batch.has(Quantity::CpuCap));
    // What can be dropped is no need.
    let memory: Vec<_> = (6..=10).map(|second| Some((10 * second) << 20)).collect();
    assert_eq!(values(&batch, Quantity::Memory), memory);
    assert_eq!(values(&batch, Quantity::MemoryCap), vec![Some(1 << 30); 5]);

    // By its name a segment is told for what it is, and one that is damaged is refused.
    let file = segments(directory.path()).unwrap().remove(0).path;
    assert_eq!(
        Source::find(&file.display().to_string(), None)
            .unwrap()
            .len(),
        1
    );
    let mut bytes = fs::read(&file).unwrap();
    bytes[10] ^= 1;
    fs::write(&file, bytes).unwrap();
    let mut reader = Source::find(&given, None).unwrap().remove(0).read();
    let told = reader.next_series().unwrap_err().to_string();
    assert!(told.contains("trimtab record verify"), "{told}");
}
