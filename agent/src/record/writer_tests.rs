//! Recordings on a real file system, small enough to be full soon.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};

use trimtab_core::{
    decide::{Bounds, Entitlement, Policy, Record, Settings, Settled, WorkloadSpec},
    record::{Comparison, Difference, Item, Origin, Replay},
    signal::{Amount, Cause, Denial, Event, Mode, Nanos, Resource, Slot, Spend},
    snapshot::{CpuSignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals},
};

use super::{
    Configured, RecordError, Recorder, Standing, Tape, read, segments,
    state::State,
    writer::{Message, Place, Writer},
};
use crate::config::Config;

const SECOND: u64 = Nanos::SECOND.0;

/// A recording that never has a gap, however slow the disk: its queue takes all of a test.
fn tape(directory: &Path, limit: u64) -> Tape {
    Tape::with(directory.to_owned(), limit, 4096, Duration::from_mins(1)).unwrap()
}

/// A node whose workloads need now this, now that, and an agent that obeys at once.
struct Node {
    recorder: Recorder,
    limits: Vec<[u64; 2]>,
    random: u64,
    seq: u64,
    second: u64,
    /// How much the needs vary: not at all would be too easy.
    unrest: u64,
}

impl Node {
    fn new(tape: Tape, workloads: u32) -> Self {
        let mut recorder = Recorder::new(Settings::default(), Some(tape));
        for slot in 0..workloads {
            let bounds = |resource| {
                Some(Bounds {
                    warm_up: Nanos(0),
                    cooldown: Nanos(5 * SECOND),
                    ..Bounds::of(resource)
                })
            };
            let spec = WorkloadSpec {
                name: format!("w{slot}"),
                parent: None,
                mode: Mode::Enforce,
                policy: Policy::default(),
                entitlement: Entitlement::default(),
                born: Nanos(0),
                adopted: [Amount(2_000_000), Amount(1 << 30)],
                held: [Amount(2_000_000), Amount(1 << 30)],
                period_us: 100_000,
                bounds: Resource::ALL.map(bounds),
            };
            let origin = Origin {
                path: format!("test/w{slot}"),
                policy: "p".into(),
            };
            recorder.adopt(Slot(slot), 1, spec, origin);
        }
        Self {
            recorder,
            limits: vec![[2_000_000, 1 << 30]; workloads as usize],
            random: 1,
            seq: 0,
            second: 100,
            unrest: 100,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % below
    }

    /// Within the second that comes, every workload asks twice, and none may have more.
    fn refuse(&mut self) {
        for ask in 0..2 * self.limits.len() as u64 {
            let slot = usize::try_from(self.random(self.limits.len() as u64)).unwrap();
            let limit = Amount(self.limits[slot][0]);
            let near = self.random(2) == 0;
            let time = self.second * SECOND + ask * 2_345_678 + self.random(1 << 20);
            self.seq += 1;
            self.recorder.record(&Record::Spend(Spend {
                seq: self.seq,
                epoch: 1,
                event: Event {
                    time: Nanos(time),
                    slot: Slot(u32::try_from(slot).unwrap()),
                    resource: Resource::Cpu,
                    cause: if near {
                        Cause::QuotaNear
                    } else {
                        Cause::ThrottledRunning
                    },
                    held: limit,
                    used: Amount::ZERO,
                    headroom: Amount::UNLIMITED,
                },
                from: limit,
                to: limit,
                granted: Amount::ZERO,
                pool_left: Amount::ZERO,
                burst: 0,
                denial: Some(Denial::Ceiling),
            }));
        }
    }

    /// A second passes; how many limits were decided to move.
    fn tick(&mut self) -> usize {
        self.second += 1;
        let now = Nanos(self.second * SECOND);
        let mut workloads = Vec::new();
        for slot in 0..self.limits.len() {
            let [limit, memory] = self.limits[slot];
            let need = 100_000 + self.unrest * 3_000 * (self.second / 20 % 4);
            let want = need + self.random(1 + self.unrest * 500);
            let throttled = if want > limit { 3 } else { 0 };
            workloads.push(WorkloadSignals {
                slot: Slot(u32::try_from(slot).unwrap()),
                cpu: Some(CpuSignals {
                    used: Amount(want.min(limit)),
                    held: Amount(limit),
                    period_us: 100_000,
                    periods: 10,
                    throttled,
                    throttled_ns: throttled * 12_345_678,
                    wait_ns: self.random(1 + self.unrest * 30_000),
                }),
                memory: Some(MemorySignals {
                    used: Amount((100 << 20) + (self.random(1 + self.unrest * 50) << 12)),
                    anonymous: Amount((80 << 20) + (self.random(1 + self.unrest * 25) << 12)),
                    inactive_file: Amount((10 << 20) + (self.random(1 + self.unrest) << 12)),
                    held: Amount(memory),
                    hard: Amount(memory),
                    ..MemorySignals::default()
                }),
                latency: None,
            });
        }
        let node = NodeSignals {
            capacity: Amount(64_000_000),
            memory_total: Amount(64 << 30),
            memory_available: Amount(32 << 30),
            ..NodeSignals::default()
        };
        let snapshot = Snapshot {
            time: now,
            elapsed: Nanos::SECOND,
            node,
            workloads,
        };
        let tick = self.recorder.tick(now, &snapshot);
        for order in &tick.settles {
            let limit = &mut self.limits[order.slot.0 as usize][order.resource.index()];
            self.seq += 1;
            let from = Amount(std::mem::replace(limit, order.limit.0));
            self.recorder.record(&Record::Settled(Settled {
                seq: self.seq,
                time: now,
                slot: order.slot,
                resource: order.resource,
                epoch: 1,
                from,
                to: order.limit,
                envelope_seq: self.seq,
                pool_left: Amount(1),
                refusal: None,
            }));
            let _ = self.recorder.thresholds(order.slot, order.resource);
        }
        tick.decisions.len()
    }
}

/// What one look at a directory of segments says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    ticks: usize,
    decisions: usize,
    equal: usize,
    leads: Vec<bool>,
}

fn replay(directory: &Path) -> Read {
    let mut found = Read::default();
    let mut replay: Option<Replay> = None;
    for segment in segments(directory).unwrap() {
        let end = read(&segment.path, |header, item| -> Result<(), RecordError> {
            match item {
                Item::Key(key) => {
                    if let Some(earlier) = replay.as_ref().filter(|_| header.continues) {
                        found.leads.push(earlier.leads_to(&key).unwrap());
                    }
                    replay = Some(Replay::new(*key));
                }
                item => {
                    let outcome = replay.as_mut().unwrap().replay(item).unwrap();
                    if let Some(outcome) = outcome {
                        found.ticks += 1;
                        found.decisions += outcome.decisions.len();
                        found.equal += usize::from(outcome.decisions_equal && outcome.rest_equal);
                    }
                }
            }
            Ok(())
        });
        assert_eq!(end.unwrap().torn, 0, "{}", segment.path.display());
    }
    found
}

#[test]
fn what_was_recorded_comes_out_again() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("new/record");
    let mut node = Node::new(tape(&place, 16 << 20), 20);
    let mut decisions = 0;
    for second in 0..200 {
        decisions += node.tick();
        match second {
            50 => node.recorder.pin(Slot(3), true),
            60 => node.recorder.change_mode(Slot(4), Mode::Recommend),
            70 => node.recorder.remove(Slot(5)),
            80 => node.recorder.pause(true),
            90 => node.recorder.pause(false),
            100 => node.recorder.reparent(Slot(6), Some(Slot(7))),
            110 => {
                node.recorder
                    .heard(Nanos(0), Slot(8), Resource::Cpu, Amount(7));
                let _ = node.recorder.updates();
                let _ = node.recorder.notices();
            }
            _ => {}
        }
    }
    let standing = node.recorder.standing().unwrap();
    drop(node);
    let found = replay(&place);
    assert!(decisions > 100, "{decisions}");
    assert_eq!((found.ticks, found.equal), (200, 200), "{standing:?}");
    assert_eq!(found.decisions, decisions);
}

#[test]
fn the_disk_is_bounded_and_each_segment_replays_alone() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let mut node = Node::new(tape(directory.path(), limit), 70);
    let mut most = 0;
    for _ in 0..2200 {
        node.tick();
        let found = segments(directory.path()).unwrap();
        most = most.max(found.iter().map(|segment| segment.bytes).sum::<u64>());
    }
    assert_eq!(node.recorder.standing().unwrap().trouble, None);
    drop(node);
    assert!(most <= limit && most > limit / 2, "{most} of {limit}");
    let left = segments(directory.path()).unwrap();
    assert!(left[0].number > 1 && left.len() > 4, "{left:?}");
    let found = replay(directory.path());
    assert_eq!(found.ticks, found.equal);
    assert!(found.decisions > 100, "{found:?}");
    assert!(
        found.leads.len() > 4 && found.leads.iter().all(|leads| *leads),
        "{:?} of {left:?}",
        found.leads
    );
}

/// What one workload takes in a second, in hundredths of a byte: what longer recordings have more than
/// shorter ones.
fn price(unrest: u64, full: bool) -> u64 {
    let [short, long] = [100, 300].map(|seconds| {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Node::new(tape(directory.path(), 1 << 30), 200);
        node.unrest = unrest;
        for _ in 0..seconds {
            if full {
                node.refuse();
            }
            node.tick();
        }
        drop(node);
        let found = segments(directory.path()).unwrap();
        assert_eq!(found.len(), 1);
        found[0].bytes
    });
    (long - short) * 100 / 200 / 200
}

#[test]
fn a_workload_takes_few_bytes_a_second() {
    let (steady, busy, refused) = (price(1, false), price(100, false), price(1, true));
    eprintln!(
        "bytes per workload and second, in hundredths: {steady} steady, {busy} busy, {refused} refused twice"
    );
    assert!(steady < busy && busy <= 3_000, "{steady} {busy}");
    // Two events of a workload in a second.
    assert!(refused <= steady + 2_000, "{refused} {steady}");
}

#[test]
fn another_policy_differs_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::new(tape(directory.path(), 16 << 20), 3);
    for _ in 0..60 {
        node.tick();
    }
    drop(node);
    let same = "[[policy]]\nname = \"p\"\nselect = [\"/test/*\"]\nwarm_up = \"0s\"\ncooldown = \"5s\"\n\
         [agent.reserve]\ncpu = 0\nmemory = \"0MiB\"\n";
    let (differences, equal) = compare(directory.path(), same);
    assert_eq!(differences, [], "the same policy differs");
    assert!(equal > 3, "{equal}");
    let (differences, _) = compare(
        directory.path(),
        &format!("{same}[[policy]]\nname = \"x\"\nselect = [\"/x\"]\n")
            .replace("cooldown", "cpu.floor = 1.5\ncooldown"),
    );
    assert!(!differences.is_empty());
    for difference in &differences {
        assert_eq!(difference.resource, Resource::Cpu);
        assert!(!difference.recorded.why.is_empty() && !difference.changed.why.is_empty());
        assert_ne!(difference.recorded.to, difference.changed.to);
    }
    let floored = |difference: &&Difference| difference.changed.why.contains("the floor");
    assert!(
        differences.iter().any(|difference| floored(&difference)),
        "{differences:?}"
    );
}

fn compare(directory: &Path, config: &str) -> (Vec<Difference>, u64) {
    let config = Config::parse(config, "test").unwrap_or_else(|error| panic!("{error}"));
    let mut differences = Vec::new();
    let mut comparison = None;
    for segment in segments(directory).unwrap() {
        read(&segment.path, |_, item| -> Result<(), RecordError> {
            match (&mut comparison, item) {
                (begun, Item::Key(key)) => {
                    let node = [Amount(64_000_000), Amount(64 << 30)];
                    *begun = Some(Comparison::new(Configured::new(config.clone(), node), *key));
                }
                (Some(comparison), item) => {
                    differences.extend(comparison.replay(&item).unwrap());
                }
                (None, _) => panic!("no state"),
            }
            Ok(())
        })
        .unwrap();
    }
    (differences, comparison.unwrap().equal)
}

/// A writer that is driven by hand.
fn writer(directory: &Path, limit: u64) -> (Writer, Arc<State>) {
    let state = Arc::new(State::default());
    let (spares, _) = sync_channel(1);
    let place = Place {
        directory: directory.to_owned(),
        limit,
    };
    let mut writer = Writer::new(place, Arc::clone(&state), spares);
    writer.patience = Duration::ZERO;
    (writer, state)
}

fn begin(bytes: usize) -> Message {
    Message::Begin {
        continues: true,
        key: vec![1; bytes],
    }
}

#[test]
fn a_disk_that_refuses_is_a_state_and_it_goes_on_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("record");
    // A file stands where the directory should be.
    fs::write(&place, "").unwrap();
    let (mut writer, state) = writer(&place, 1 << 20);
    writer.take(begin(100));
    let trouble = state.standing(PathBuf::new()).trouble.unwrap();
    assert!(trouble.contains("record: "), "{trouble}");
    writer.take(Message::Frame(vec![2; 10]));
    assert!(state.wanted.load(std::sync::atomic::Ordering::Relaxed));
    fs::remove_file(&place).unwrap();
    writer.take(begin(100));
    writer.take(Message::Frame(vec![2; 10]));
    let Standing {
        segments, trouble, ..
    } = state.standing(PathBuf::new());
    assert_eq!((segments, trouble), (1, None));
}

#[test]
fn a_limit_without_room_for_a_state_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, state) = writer(directory.path(), 1000);
    writer.take(begin(2000));
    let trouble = state.standing(PathBuf::new()).trouble.unwrap();
    assert!(
        trouble.contains("`limit` has no room for a state"),
        "{trouble}"
    );
    assert_eq!(segments(directory.path()).unwrap(), []);
}

#[test]
fn an_end_that_a_crash_has_torn_is_cut_off_and_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::new(tape(directory.path(), 16 << 20), 2);
    for _ in 0..5 {
        node.tick();
    }
    drop(node);
    let found = segments(directory.path()).unwrap();
    let whole = fs::read(&found[0].path).unwrap();
    fs::write(&found[0].path, [&whole[..], &[9, 0, 0]].concat()).unwrap();
    let mut node = Node::new(tape(directory.path(), 16 << 20), 2);
    node.tick();
    let torn = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(2));
        node.recorder.standing().unwrap().torn == 3
    });
    assert!(torn, "{:?}", node.recorder.standing());
    drop(node);
    assert_eq!(fs::read(&found[0].path).unwrap(), whole);
    assert_eq!(replay(directory.path()).ticks, 6);
}
