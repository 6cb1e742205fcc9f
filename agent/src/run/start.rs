//! From a configuration to a running agent, and back to a host as it was.

use std::{
    collections::HashMap,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    net::UnixStream,
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use trimtab_core::signal::{Amount, Mode, Resource};

use super::{
    adoptions::Adoptions,
    agent::{Agent, now},
    backend::Shared,
    cost::OwnCost,
    endpoint::{self, Endpoint},
    energy::Energy,
    entry,
    gpus::Gpus,
    identities::Identities,
    lean,
    owners::{Owned, asker},
    room::Room,
    selection::Selection,
    snapshot::{NodeSample, Reading},
    workload::Workloads,
};
use crate::{
    act::{ledger::Ledger, owners::Owners, restore::restore, systemd::asker::Asker},
    api::server::Server,
    config::{self, Config},
    fast::{self, Command, Fast},
    journal::Journal,
    probe::{self, Probe, ProbeSet, ProbeStatus, Probes, State},
    record::{Recorder, Tape},
    report::Serving,
    sense::{
        descriptors::raise_descriptor_limit, file::Scratch, hierarchy::Hierarchies,
        node::NodeReader, psi::PsiReader, tree::Tree, writes::LimitWrites,
    },
};

/// How long the start waits for another holder of the ledger, and for what an earlier agent left.
const LEDGER_PATIENCE: Duration = Duration::from_secs(2);
/// Open files that a workload takes at most: 16 of the slow loop's, 8 of the fast thread's.
const DESCRIPTORS: u64 = 24;
/// Those that it cannot do without: its levers, where limits are written.
const NEEDED: [u64; 2] = [0, 2];
/// Open files of everything else.
const SPARE: u64 = 1024;
/// How long new groups are given to become complete before they are taken up.
const SETTLE: Duration = Duration::from_millis(2);
/// How often somebody else's writes to limits are looked for, and news of who workloads are. Were
/// writes waited for, each of the fast thread's own would have to wake this one before it is done.
const LISTEN: Duration = Duration::from_millis(250);
/// When the agent's own cost is first looked at.
const FIRST_SAMPLE: Duration = Duration::from_secs(1);
/// `EX_TEMPFAIL`: not everything could go back yet; what is left is in the ledger.
const PENDING: u8 = 75;

/// Runs the agent until SIGTERM or SIGINT, then puts every limit back.
///
/// # Errors
/// What keeps an agent from starting: the configuration, the socket, the runtime directory.
pub(super) fn agent(config: Config, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(run(config, path))
}

/// The signals that the agent listens to.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    /// A fast thread has overrun its real-time budget.
    xcpu: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            xcpu: signal(SignalKind::from_raw(libc::SIGXCPU))?,
        })
    }
}

async fn run(config: Config, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("cannot listen to signals")?;
    let socket = config.agent.socket.clone();
    let server = Server::bind(&socket).context("cannot serve the local API")?;
    let tick = Duration::from_nanos(config.agent.tick.0);
    let endpoint = config.report.prometheus().map(Endpoint::bind);
    let (mut agent, threads, ready) = Agent::start(path, config)?;
    let (endpoint, scraped) = endpoint.unzip();
    if let Some(endpoint) = endpoint {
        agent.ask_at(endpoint);
    }
    let ready = UnixStream::from_std(ready).context("cannot wait for the fast thread")?;
    let shared = Shared::new(agent);
    let mut serving = Serving::new(Arc::new(shared.clone()), tick);
    if let Some(server) = scraped.flatten() {
        serving.serve(server).await;
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let api = tokio::spawn(server.serve(Arc::new(shared.clone()), async {
        // A dropped sender means the same.
        let _ = stopped.await;
    }));
    tracing::info!(socket = %socket.display(), "ready");
    let mut ticks = interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let systemd = shared.lock().adoptions.backend.systemd().cloned();
    let mut listens = interval(LISTEN);
    listens.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first sample comes when the start is over.
    let mut samples = interval(FIRST_SAMPLE);
    samples.reset();
    loop {
        tokio::select! {
            _ = ticks.tick() => shared.lock().tick(),
            result = ready.readable() => {
                result.context("cannot wait for the fast thread")?;
                // How often it rang does not matter, nor that somebody has emptied it before.
                let _ = ready.try_read(&mut [0; 4096]);
                let changed = {
                    let mut agent = shared.lock();
                    agent.reports();
                    agent.tree_has_changed()
                };
                if changed {
                    // On v1 a group appears in one hierarchy after the other, and groups come in
                    // swarms: a moment's patience takes them up once and together.
                    tokio::time::sleep(SETTLE).await;
                    let mut agent = shared.lock();
                    agent.reports();
                    agent.follow_tree();
                }
            }
            _ = samples.tick() => {
                let next = shared.lock().sample_costs();
                samples.reset_after(next);
            }
            () = answered(systemd.as_deref()) => shared.lock().owners_told(),
            _ = listens.tick() => {
                let mut agent = shared.lock();
                agent.limits_written();
                agent.identify();
                agent.tell_owners();
            }
            _ = signals.term.recv() => break,
            _ = signals.int.recv() => break,
            _ = signals.hup.recv() => reload(&shared, &mut serving, path).await,
            _ = signals.xcpu.recv() => {
                tracing::warn!("a fast thread has overrun its real-time budget; they go on without real time");
                if let Err(error) = threads.demote() {
                    tracing::error!(%error, "cannot take real time from the fast threads");
                }
            }
        }
    }
    tracing::info!("stopping: every limit goes back to its original");
    shared.lock().send(Command::Stop);
    shared.lock().slow.flush();
    if !threads.join() {
        tracing::error!("a fast thread panicked");
    }
    let restored = shared.lock().restore();
    let _ = stop.send(());
    // The API ends with the socket; whoever still watches is cut off.
    api.abort();
    Ok(if restored {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(PENDING)
    })
}

/// Waits until systemd has been told something; for ever, where there is nobody who tells it.
async fn answered(systemd: Option<&Asker>) {
    match systemd {
        Some(systemd) => systemd.answered().await,
        None => std::future::pending().await,
    }
}

async fn reload(shared: &Shared, serving: &mut Serving, path: Option<&Path>) {
    let Some(path) = path else {
        tracing::info!("there is no configuration file to read again");
        return;
    };
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return shared.lock().keep_config(&error),
    };
    // Of all that follows only this can fail.
    if let Err(error) = endpoint::follow(shared, serving, config.report.prometheus()).await {
        return shared.lock().keep_config(&error);
    }
    shared.lock().reload(config);
    tracing::info!("the configuration has been read again");
}

/// Makes room for the open files of so many workloads as there may be.
fn raise_files(config: &Config) {
    let workloads = u64::from(config.agent.room.workloads);
    let enforces = |policy: &config::Policy| policy.mode == Mode::Enforce;
    let needed = NEEDED[usize::from(config.policies.iter().any(enforces))];
    let (wanted, needed) = (workloads * DESCRIPTORS + SPARE, workloads * needed + SPARE);
    match raise_descriptor_limit(wanted, needed) {
        Ok(most) if most < wanted => tracing::info!(
            "{most} files may be open (RLIMIT_NOFILE): with more than {} workloads that do something at once some are opened at each read, which takes a little more CPU",
            most.saturating_sub(needed) / DESCRIPTORS
        ),
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised: many workloads may not fit");
        }
    }
}

impl Agent {
    /// Opens everything that a running agent needs: ledger, probes, the fast thread.
    fn start(
        config_path: Option<&Path>,
        config: Config,
    ) -> anyhow::Result<(Self, fast::Threads, std::os::unix::net::UnixStream)> {
        let room = config.agent.room;
        raise_files(&config);
        let hierarchies =
            Hierarchies::detect().context("cannot tell which cgroup hierarchies there are")?;
        let mut scratch = Scratch::new();
        let mut node_reader =
            NodeReader::new(&hierarchies).context("cannot read the node's totals")?;
        let node = node_reader
            .read(&mut scratch)
            .context("cannot read the node's totals")?;
        let directory = &config.agent.runtime_directory;
        let (mut ledger, notices) =
            Ledger::open(directory, LEDGER_PATIENCE).context("cannot use the ledger")?;
        for notice in notices {
            tracing::warn!("{notice}");
        }
        if !ledger.is_empty() {
            let report = restore(&mut ledger, |_| true, Instant::now() + LEDGER_PATIENCE);
            tracing::info!("an earlier agent left limits behind: {report}");
        }
        let (mut probes, probe_status) = load(&config);
        if let Err(error) = lean::give_back() {
            tracing::debug!(%error, "what only the start needed stays in memory");
        }
        let (slow, end, ready) = fast::channel(room.workloads as usize)
            .context("cannot make the fast thread's wake-ups")?;
        let selection = Selection::new(config, [node.cpu_capacity, Amount(node.memory_total)]);
        let handle = fast::spawn(Fast {
            ring: probes.as_mut().and_then(Probes::take_ring),
            cpu_rings: probes
                .as_mut()
                .map(Probes::take_cpu_rings)
                .unwrap_or_default(),
            end,
            node: node.cpu_capacity,
            memory_reserve: selection.reserve(Resource::Memory),
            workloads: room.workloads as usize,
            wish: selection.config().fast,
        })
        .context("cannot start the fast thread")?;
        let mut tree = Tree::new(&hierarchies);
        tree.rescan()
            .context("cannot scan the cgroup hierarchies")?;
        let energy = Energy::start(&selection.config().energy);
        let gpus = Gpus::start(&selection.config().gpu, &hierarchies);
        let identities = Identities::start(&selection.config().identity);
        let systemd = asker(&selection.config().identity);
        let now = now();
        let mut agent = Self {
            config_path: config_path
                .map_or_else(|| "(defaults)".into(), |path| path.display().to_string()),
            config_error: None,
            engine: Recorder::new(selection.settings(), tape(&selection.config().record)),
            selection,
            hierarchies,
            tree,
            workloads: Workloads::new(room.workloads as usize),
            adoptions: Adoptions::new(ledger, Owners::new(systemd)),
            owned: Owned::default(),
            limit_writes: limit_writes(),
            probes,
            probe_status,
            slow,
            stats: handle.stats,
            priority: handle.priority,
            journal: Journal::default(),
            accounts: None,
            endpoint: None,
            scratch,
            node_reader,
            node_psi: PsiReader::node(),
            node: NodeSample::new(now, node),
            room: Room::new(room),
            reading: Reading::default(),
            tells_who_runs: false,
            gpus,
            cost: OwnCost::new(now),
            energy,
            identities,
            pools: Default::default(),
            paused: false,
            started: now,
            started_unix_ns: entry::unix_ns(),
            ticks: 0,
            tree_events: Vec::new(),
            pending: HashMap::new(),
            lost: 0,
            denied: 0,
            lifts: 0,
        };
        agent.take_up_all();
        Ok((agent, handle.threads, ready))
    }
}

/// Ears for what others write; without them the tick finds it.
fn limit_writes() -> Option<LimitWrites> {
    LimitWrites::new()
        .inspect_err(|error| {
            tracing::warn!(%error, "no inotify: what somebody else writes is found by the tick only");
        })
        .ok()
}

/// The recording, where one is wanted.
fn tape(record: &config::Record) -> Option<Tape> {
    if !record.enabled {
        return None;
    }
    Tape::start(record.directory.clone(), record.limit.0)
        .inspect_err(
            |error| tracing::error!(%error, "nothing is recorded: no thread can be started"),
        )
        .ok()
}

/// Loads the probes that the configuration wants; without any, the twins do all the work.
pub(super) fn load(config: &Config) -> (Option<Probes>, Vec<ProbeStatus>) {
    let set = Probe::ALL
        .into_iter()
        .filter(|probe| !config.probes.off.contains(probe))
        .fold(ProbeSet::NONE, ProbeSet::with);
    let options = probe::Options {
        probes: set,
        ring_bytes: config.fast.ring_bytes,
        cpu_rings: if config.fast.per_cpu {
            fast::cpus()
        } else {
            Vec::new()
        },
        max_watches: config.agent.room.workloads,
        max_groups: config.agent.room.histograms,
        ..probe::Options::default()
    };
    match Probes::load(&options) {
        Ok(probes) => {
            let status = probes.status().to_vec();
            (Some(probes), status)
        }
        Err(error) => {
            let error = anyhow::Error::new(error);
            tracing::error!(
                "no probe could be loaded, limits are lifted by the tick only: {error:#}"
            );
            let why = format!("{error:#}");
            let status = Probe::ALL.into_iter().map(|probe| ProbeStatus {
                probe,
                state: State::Off,
                why: why.clone(),
            });
            (None, status.collect())
        }
    }
}
