use std::{
    thread,
    time::{Duration, Instant},
};

use trimtab_core::{
    anomaly::Watch,
    decide::{Bounds, Engine, Entitlement, Policy, Settings, WorkloadSpec},
    model::Waiting,
    signal::{Amount, Mode, Nanos, Resource, Slot},
    snapshot::WorkloadSignals,
};

use super::{Depth, Rest, STALE};
use crate::{
    allocations::allocations,
    run::{
        snapshot::{NodeSample, Reading},
        workload::{LimitState, Sample, Workload, Workloads},
    },
    sense::{cgroup::Group, file::Scratch, node::NodeReader, testing::TestGroup},
};

const TICK: Nanos = Nanos::SECOND;
/// Ticks after which every one of a round has come.
const ROUND: u64 = STALE.0 / TICK.0;

/// Everything that a tick needs, on a clock of its own: as many ticks as are wanted in no time.
struct Ticking {
    workloads: Workloads,
    engine: Engine,
    reading: Reading,
    reader: NodeReader,
    node: NodeSample,
    scratch: Scratch,
    tick: u64,
    // Last, so that descriptors are closed before the groups go.
    group: TestGroup,
}

impl Ticking {
    /// So many workloads with a quota of 0.1 CPU each; nothing, with a loud line, where no group can be made.
    fn make(count: u32, mode: Mode) -> Option<Self> {
        let group = TestGroup::make()?;
        let mut reader = NodeReader::new(&group.hierarchies).unwrap();
        let mut scratch = Scratch::new();
        let node = NodeSample::new(Nanos(0), reader.read(&mut scratch).unwrap());
        let mut ticking = Self {
            workloads: Workloads::new(count as usize),
            engine: Engine::new(Settings::default()),
            reading: Reading::default(),
            reader,
            node,
            scratch,
            tick: 0,
            group,
        };
        for number in 0..count {
            let path = ticking.group.child(&format!("w{number}"));
            ticking.group.set_quota(&path, "10000");
            ticking.adopt(&path, mode);
        }
        Some(ticking)
    }

    fn adopt(&mut self, path: &str, mode: Mode) {
        let opened = Group::open(&self.group.hierarchies, path);
        let group = opened.unwrap().here().unwrap();
        let (slot, epoch) = self.workloads.reserve(Nanos(0)).unwrap();
        let amounts = [Amount(100_000), Amount::UNLIMITED];
        let bounds = Resource::ALL.map(|resource| Bounds {
            floor: Amount(10_000),
            ..Bounds::of(resource)
        });
        let spec = WorkloadSpec {
            name: path.into(),
            parent: None,
            mode,
            policy: Policy::default(),
            entitlement: Entitlement::default(),
            born: Nanos(0),
            adopted: amounts,
            held: amounts,
            period_us: 100_000,
            bounds: bounds.map(Some),
        };
        self.engine.adopt(slot, epoch, spec);
        let limit = |index: usize| LimitState::new(bounds[index], amounts[index], amounts[index]);
        self.workloads.insert(Workload {
            slot,
            epoch,
            name: path.into(),
            policy: "test".into(),
            mode,
            shadow: None,
            objective: None,
            asked: None,
            pinned: false,
            run: false,
            owner: String::new(),
            group,
            parent: None,
            is_parent: false,
            since: Nanos(0),
            limits: [Some(limit(0)), Some(limit(1))],
            cpu_weight: None,
            first: Sample::default(),
            last: Sample::default(),
            seen: WorkloadSignals::default(),
            active: Nanos(0),
            depth: Depth::All,
            waits: None,
            tcp: None,
            requests_per_s: 0,
            waiting: Waiting::default(),
            watch: Watch::new(Nanos(0), slot),
            used: [Amount::ZERO; 2],
            above: [None, None],
            counters: crate::api::view::Counters::default(),
            inherited: crate::api::view::Counters::default(),
            undone: 0,
        });
    }

    /// One tick; whether it has anything to say.
    fn tick(&mut self) -> bool {
        self.tick += 1;
        let now = Nanos(self.tick * TICK.0);
        let node = self.reader.read(&mut self.scratch).unwrap();
        self.node = self.reading.take(
            now,
            &mut self.workloads,
            Rest::new(now, &self.engine, self.tick, TICK, None),
            None,
            (self.node, node),
            &mut self.scratch,
        );
        let tick = self.engine.tick(now, &self.reading.snapshot);
        !tick.decisions.is_empty() || !tick.thresholds.is_empty()
    }

    /// What the last tick said about the first workload.
    fn said(&self) -> WorkloadSignals {
        self.reading.snapshot.workloads[0]
    }

    fn rests(&self) -> bool {
        let now = Nanos((self.tick + 1) * TICK.0);
        let rest = Rest::new(now, &self.engine, self.tick + 1, TICK, None);
        rest.depth(self.workloads.get(Slot(0)).unwrap()) != Depth::All
    }

    fn path(&self) -> String {
        self.workloads.get(Slot(0)).unwrap().group.path.to_string()
    }

    /// How many files of the first workload are open.
    fn open_files(&self) -> usize {
        let path = self.path();
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = descriptors.flat_map(|fd| std::fs::read_link(fd.path()));
        targets
            .filter(|file| file.to_string_lossy().contains(&path))
            .count()
    }
}

#[test]
fn who_rests_has_no_file_open_but_those_that_are_looked_at() {
    let Some(mut ticking) = Ticking::make(1, Mode::Observe) else {
        return;
    };
    ticking.tick();
    assert!(ticking.open_files() > 5, "{}", ticking.open_files());
    for _ in 0..3 {
        ticking.tick();
    }
    assert!(ticking.rests());
    // Its use, how much memory it holds, and its limits: three files, on v1 two of them of CPU, on v2 of memory.
    for _ in 0..=ROUND {
        assert!(ticking.open_files() <= 5, "{}", ticking.open_files());
        ticking.tick();
    }
}

#[test]
fn who_does_nothing_rests_and_its_limits_are_looked_at_in_its_turn() {
    let Some(mut ticking) = Ticking::make(1, Mode::Observe) else {
        return;
    };
    assert!(!ticking.rests(), "nothing is known yet");
    for _ in 0..3 {
        ticking.tick();
    }
    assert!(ticking.rests());
    // Somebody else's limit is found in its turn, and not before.
    let path = ticking.path();
    ticking.group.set_quota(&path, "20000");
    ticking.tick();
    assert_eq!(
        ticking.said().cpu.unwrap().held,
        Amount(100_000),
        "it rests"
    );
    let mut ticks = 1;
    while ticking.said().cpu.unwrap().held != Amount(200_000) {
        ticking.tick();
        ticks += 1;
        assert!(ticks <= ROUND, "its turn never came");
    }
    assert!(
        !ticking.rests(),
        "a limit that is not believed is looked at again"
    );
    ticking.tick();
    ticking.tick();
    assert!(
        ticking
            .engine
            .is_settled(Slot(0), Resource::Cpu, Amount(200_000))
    );
    assert!(ticking.rests());
}

#[test]
fn who_uses_cpu_is_read_in_full_at_once() {
    let Some(mut ticking) = Ticking::make(1, Mode::Recommend) else {
        return;
    };
    for _ in 0..3 {
        ticking.tick();
    }
    assert!(ticking.rests());
    let path = ticking.path();
    // A busy loop in 0.1 CPU: throttled as soon as the quota is gone.
    let process = ticking.group.spawn(&path, "while :; do :; done");
    let is_throttled = || {
        let stat = ticking.group.read(&path, Resource::Cpu, "cpu.stat");
        stat.contains("nr_throttled ") && !stat.contains("nr_throttled 0")
    };
    let end = Instant::now() + Duration::from_secs(10);
    while !is_throttled() {
        assert!(Instant::now() < end, "never throttled");
        thread::sleep(Duration::from_millis(10));
    }
    ticking.tick();
    let cpu = ticking.said().cpu.unwrap();
    assert!(cpu.used > Amount::ZERO && cpu.throttled > 0, "{cpu:?}");
    assert!(!ticking.rests(), "it has just run");
    drop(process);
    // Ticks in no time: the clock says that it has been calm since.
    for _ in 0..3 {
        ticking.tick();
    }
    assert!(ticking.rests());
}

#[test]
fn a_group_that_is_gone_is_missed_although_it_rests() {
    let Some(mut ticking) = Ticking::make(1, Mode::Observe) else {
        return;
    };
    for _ in 0..3 {
        ticking.tick();
    }
    assert!(ticking.rests());
    let path = ticking.path();
    for root in ticking.group.hierarchies.distinct() {
        let _ = std::fs::remove_dir(root.group(&path));
    }
    ticking.tick();
    assert_eq!(ticking.reading.gone, [Slot(0)]);
    assert!(ticking.reading.snapshot.workloads.is_empty());
}

/// A policy that proposes something takes memory for its reasons, so that this is about a tick without.
#[test]
fn a_tick_that_only_observes_allocates_nothing() {
    let Some(mut ticking) = Ticking::make(12, Mode::Observe) else {
        return;
    };
    // One of them is never at rest.
    let path = ticking.path();
    let busy = ticking.group.spawn(&path, "while :; do :; done");
    for _ in 0..200 {
        ticking.tick();
    }
    assert_eq!(ticking.reading.snapshot.workloads.len(), 12);
    for _ in 0..3 * ROUND {
        let mut told = false;
        let count = allocations(|| told = ticking.tick());
        assert!(count == 0 || told, "{count}");
    }
    drop(busy);
}
