//! A fake agent: a backend that answers from fixed views and remembers what it was asked to change.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::{broadcast, oneshot};
use trimtab::api::{
    Backend, Refusal, Server,
    auth::Groups,
    view::{
        Adoption, Beyond, Bin, Bound, Comparison, Counters, Detail, EnergyShare, Entry, EntryKind,
        Feedback, Finding, FindingState, GpuShare, HeldBack, Hint, Input, Outcome, Processes,
        Quantity, Reason, Recording, Released, ResourceState, Signals, Stage, Status, TrialSignals,
        Value, WaitCause, WaitKind, Why, Workload,
    },
};
use trimtab_core::signal::{Mode, Resource};

use crate::views::{
    anomaly, comparison, cost, energy, gpus, identity, processes, recording, room, runtimes, stalls,
};

/// The program under test: the one that was built with these tests, or, where they run on another
/// machine, the one that `TRIMTAB_BIN` names.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("TRIMTAB_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_trimtab").into(), PathBuf::from)
}

/// The backend.
pub(crate) struct Fake {
    /// What was changed, in order.
    pub(crate) changes: Mutex<Vec<String>>,
    /// Journal entries go out here.
    pub(crate) journal: broadcast::Sender<Arc<Entry>>,
    /// How many workloads there are beside `db` and `web`.
    pub(crate) more: AtomicUsize,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            changes: Mutex::default(),
            journal: broadcast::channel(4).0,
            more: AtomicUsize::new(0),
        })
    }

    fn changed(&self, what: String) {
        self.changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    pub(crate) fn take_changes(&self) -> Vec<String> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn state(unit: fn(u64) -> Quantity) -> ResourceState {
    ResourceState {
        used: unit(1),
        limit: unit(2),
        original: Quantity::Unlimited,
        floor: unit(4),
        target: unit(5),
        ceiling: unit(6),
        lent: unit(7),
        limited_by: Some("/above".into()),
        foreign: true,
        held_back: Some(HeldBack {
            guard: "rival".into(),
            why: "others".into(),
            to: unit(8),
            for_ns: 9,
            behind: Some("/demo/db".into()),
        }),
        feedback: Feedback {
            helped: 31,
            no_difference: 32,
            hurt: 33,
            cut_short: 34,
            cannot_tell: 35,
            last: Some(outcome(unit)),
            hurt_in_a_row: 36,
            patience_ns: Some(37),
        },
    }
}

/// What became of a change, with a value of its own in every field.
fn outcome(unit: fn(u64) -> Quantity) -> Outcome {
    let signals = |ticks, used| TrialSignals {
        ticks,
        used,
        throttled_per_mille: Some(41),
        throttled_ns_per_s: Some(42),
        waited_ns_per_s: None,
        limit_met: Some(43),
    };
    Outcome {
        verdict: "helped".into(),
        ground: "beyond".into(),
        text: "It helped.".into(),
        after_ns: 44,
        from: unit(45),
        to: Quantity::Unlimited,
        before: signals(46, unit(47)),
        after: signals(48, unit(49)),
    }
}

/// A workload in which every field has a value of its own.
pub(crate) fn workload(name: &str) -> Workload {
    Workload {
        name: name.into(),
        path: format!("/demo/{name}"),
        policy: "web".into(),
        mode: Mode::Enforce,
        pinned: true,
        owner: "cgroupfs".into(),
        identity: identity(),
        parent: Some("/demo".into()),
        age_ns: 8,
        warming_up: true,
        cpu_weight: None,
        cpu: Some(state(Quantity::MicroCpus)),
        memory: Some(state(Quantity::Bytes)),
        gpus: vec![GpuShare {
            index: 14,
            memory_bytes: Some(15),
            used_percent: None,
            waits_for_cpu: true,
        }],
        energy: Some(EnergyShare {
            milliwatts: Some(21),
            millijoules: 22,
            gpu_millijoules: 23,
        }),
        signals: signals(),
        anomalies: vec![anomaly(name)],
        beyond: Beyond {
            hint: Some(Hint {
                instances: 24,
                demand: Quantity::MicroCpus(25),
                capacity: Quantity::MicroCpus(26),
            }),
            balancing_weight: Some(27),
        },
    }
}

fn signals() -> Signals {
    Signals {
        waiting_p50_ns: Some(9),
        waiting_p99_ns: Some(10),
        waited_ns: Some(14),
        throttled_ns: Some(11),
        throttled_periods: Some(12),
        oom_kills: Some(0),
        cpu_pressure_bp: Some(13),
        memory_pressure_bp: None,
        tcp: None,
    }
}

/// An entry in which every field has a value of its own.
pub(crate) fn entry(seq: u64, name: &str) -> Entry {
    let input = |name: &str, value, stage| Input {
        name: name.into(),
        value,
        stage,
    };
    Entry {
        seq,
        monotonic_ns: 1,
        unix_ns: 2,
        kind: EntryKind::Spend,
        workload: name.into(),
        path: format!("/demo/{name}"),
        resource: Some(Resource::Memory),
        from: Some(Quantity::Bytes(3)),
        to: Some(Quantity::Unlimited),
        cause: "memory-near".into(),
        rule: "first-lift".into(),
        denial: Some("ceiling".into()),
        written: true,
        latency_ns: Some(42_000),
        reason: Reason {
            text: "Because.".into(),
            inputs: vec![
                input("a", Value::Quantity(Quantity::MicroCpus(4)), Stage::Event),
                input("b", Value::DurationNs(5), Stage::Demand),
                input("c", Value::Number(0.5), Stage::Forecast),
                input("d", Value::Text("six".into()), Stage::Arbitration),
            ],
            clamps: vec!["floor".into()],
            otherwise: "Nothing.".into(),
            proposed: Some(Quantity::Bytes(6)),
            bounds: vec![Bound {
                guard: "floor".into(),
                from: Quantity::Bytes(6),
                to: Quantity::Bytes(7),
            }],
        },
        outcome: Some(outcome(Quantity::Bytes)),
    }
}

pub(crate) fn finding() -> Finding {
    Finding {
        area: "probes".into(),
        name: "runq".into(),
        state: FindingState::Degraded,
        why: "no BTF".into(),
        remedy: "another kernel".into(),
    }
}

pub(crate) fn released() -> Released {
    Released {
        counters: Counters {
            lifts: 3,
            trims: 1,
            denials: 2,
            foreign_writes: 4,
        },
        signals: signals(),
        waited_ns: Some(12_000_000),
    }
}

pub(crate) fn detail(name: &str) -> Detail {
    Detail {
        workload: workload(name),
        children: vec![format!("/demo/{name}/child")],
        counters: released().counters,
        stalls: stalls(),
        recent: vec![entry(1, name)],
        runtimes: runtimes(),
        waits: Some(vec![Bin {
            from_ns: 2,
            count: 3,
        }]),
        answers: Some(Vec::new()),
    }
}

pub(crate) fn status() -> Status {
    Status {
        version: "1.2.3".into(),
        pid: 5,
        config_path: "/x".into(),
        config_error: Some("wrong".into()),
        journal_seq: 9,
        room: room(),
        pressure: stalls().pressure,
        gpus: gpus(),
        cost: cost(),
        energy: energy(),
        identity: vec![finding()],
        recording: Some(finding()),
        anomalies: vec![anomaly("web")],
        ..Status::default()
    }
}

/// Every kind of cause, over the window that was asked for.
pub(crate) fn why(name: &str, window: Duration) -> Why {
    let kinds = [
        WaitKind::Quota,
        WaitKind::Siblings,
        WaitKind::Workload,
        WaitKind::Group,
        WaitKind::System,
        WaitKind::Interrupts,
        WaitKind::Idle,
        WaitKind::Others,
        WaitKind::Short,
    ];
    let named = |kind| matches!(kind, WaitKind::Workload | WaitKind::Group);
    Why {
        workload: name.into(),
        path: format!("/demo/{name}"),
        window_ns: u64::try_from(window.as_nanos()).unwrap_or_default(),
        ran_ns: 70,
        waited_ns: 45,
        causes: (1..)
            .zip(kinds)
            .map(|(ns, cause)| WaitCause {
                cause,
                behind: named(cause).then(|| "db".into()),
                ns,
            })
            .collect(),
    }
}

impl Backend for Fake {
    fn status(&self) -> Status {
        status()
    }

    fn workloads(&self) -> Vec<Workload> {
        let more = (0..self.more.load(Relaxed)).map(|number| workload(&format!("x{number:04}")));
        [workload("db"), workload("web")]
            .into_iter()
            .chain(more)
            .collect()
    }

    fn show(&self, path: &str) -> Result<Detail, Refusal> {
        Ok(detail(path.trim_start_matches("/demo/")))
    }

    fn explain(&self, wanted: &str, last: usize) -> Vec<Entry> {
        let name = match wanted {
            "" => "web",
            "/demo/web" | "/demo/db" => wanted.trim_start_matches("/demo/"),
            "gone" => "gone",
            _ => return Vec::new(),
        };
        (0..last.min(30))
            .map(|seq| entry(seq as u64, name))
            .collect()
    }

    fn why(&self, path: &str, window: Duration) -> Result<Why, Refusal> {
        Ok(why(path.trim_start_matches("/demo/"), window))
    }

    fn compare(&self, path: Option<&str>) -> Result<Vec<Comparison>, Refusal> {
        let names = path.map_or(vec!["db", "web"], |path| {
            vec![path.trim_start_matches("/demo/")]
        });
        Ok(names.into_iter().map(comparison).collect())
    }

    fn processes(&self, path: Option<&str>) -> Result<Processes, Refusal> {
        Ok(processes(
            path.map(|path| path.trim_start_matches("/demo/")),
        ))
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.journal.subscribe()
    }

    fn set_mode(&self, path: &str, mode: Mode) -> Result<Workload, Refusal> {
        self.changed(format!("mode {path} {mode:?}"));
        Ok(Workload {
            mode,
            ..workload(path.trim_start_matches("/demo/"))
        })
    }

    fn pin(&self, path: &str, pinned: bool) -> Result<Workload, Refusal> {
        self.changed(format!("pin {path} {pinned}"));
        Ok(Workload {
            pinned,
            ..workload(path.trim_start_matches("/demo/"))
        })
    }

    fn pause(&self, paused: bool) -> Result<(), Refusal> {
        self.changed(format!("pause {paused}"));
        if paused {
            Ok(())
        } else {
            Err(Refusal::Conflict("it is not paused".into()))
        }
    }

    fn record(&self, on: bool) -> Result<Recording, Refusal> {
        self.changed(format!("record {on}"));
        if on {
            Ok(recording())
        } else {
            Err(Refusal::Conflict("it does not record".into()))
        }
    }

    fn doctor(&self) -> Vec<Finding> {
        vec![finding()]
    }

    fn adopt(&self, adoption: &Adoption) -> Result<Workload, Refusal> {
        self.changed(format!(
            "adopt {} {:?} {:?}",
            adoption.name, adoption.cpu_ceiling_micro_cpus, adoption.memory_ceiling_bytes
        ));
        Ok(workload(&adoption.name))
    }

    fn release(&self, path: &str) -> Result<Released, Refusal> {
        self.changed("release".into());
        if path.contains("unknown") {
            Err(Refusal::NotFound(format!("{path} was not adopted")))
        } else {
            Ok(released())
        }
    }
}

/// A fake agent that answers on a socket in a directory of its own, on a thread of its own.
pub(crate) struct Agent {
    pub(crate) backend: Arc<Fake>,
    pub(crate) socket: PathBuf,
    pub(crate) directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    pub(crate) fn start(groups: Groups) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("trimtab.sock");
        Self::start_at(directory, &socket, groups)
    }

    pub(crate) fn start_at(directory: tempfile::TempDir, socket: &Path, groups: Groups) -> Self {
        let backend = Fake::new();
        let (stop, stopped) = oneshot::channel();
        let (bound, ready) = std::sync::mpsc::channel();
        let (path, fake) = (socket.to_owned(), Arc::clone(&backend));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind(&path).unwrap().with_groups(move || groups);
                bound.send(()).unwrap();
                server
                    .serve(fake, async { drop(stopped.await) })
                    .await
                    .unwrap();
            });
        });
        ready.recv().expect("the fake agent binds its socket");
        Self {
            backend,
            socket: socket.to_owned(),
            directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Stops it and waits for it.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the fake agent ends well");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
