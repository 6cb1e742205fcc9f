//! Loads the object, attaches what the plan allows, and hands out the parts.

use std::{
    error::Error as _,
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader, Pod,
    maps::{Map, MapData, MapError, RingBuf},
};
use trimtab_ebpf::{Layout, Settings, Thread};

#[cfg(feature = "probe-log")]
use super::Log;
use super::{
    Block, Error, Lost, Options, Probe, ProbeSet, ProbeStatus, Reclaim, Ring, Runq, State, Tcp,
    Watches, block,
    btf::Btf,
    hook::{Hook, attach, load_programs},
    plan::Plan,
    process, reclaim,
    ring::cpu_rings,
    tcp,
};

/// Size of one cell of tasks that wait, as [`Options::runq_cells`] says.
const CELL_BYTES: usize = 16;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("TRIMTAB_PROBES"));

/// What the slow loop reads at each tick.
#[derive(Clone, Copy)]
pub struct Histograms<'a> {
    /// Run-queue waiting.
    pub runq: &'a Runq,
    /// Requests to TCP servers.
    pub tcp: &'a Tcp,
}

/// The loaded probes. Dropping it detaches them all.
pub struct Probes {
    ring: Option<Ring>,
    cpu_rings: Vec<(u32, Ring)>,
    watches: Watches,
    runq: Runq,
    tcp: Tcp,
    reclaim: Reclaim,
    block: Block,
    lost: Lost,
    #[cfg(feature = "probe-log")]
    log: Option<Log>,
    /// What was decided at the start.
    pub(super) plan: Plan,
    /// What is on now.
    pub(super) on: ProbeSet,
    pub(super) status: Vec<ProbeStatus>,
    pub(super) hooks: Vec<Hook>,
    pub(super) cell_bytes: usize,
    map_bytes: u64,
    pub(super) object: Ebpf,
}

impl Probes {
    /// Loads and attaches what this kernel allows; a probe that cannot be had says why in
    /// [`Probes::status`].
    ///
    /// # Errors
    /// When nothing can be loaded at all (no BTF, no permission): go on without, with
    /// [`unavailable`] as the status.
    pub fn load(options: &Options) -> Result<Self, Error> {
        let mut plan = Plan::new(&Btf::of_kernel()?, options);
        let kernel = aya::Btf::from_sys_fs().map_err(Error::KernelBtf)?;
        let mut object = open(&plan, options, 1)?;
        if let Err(error) = load_programs(&mut object, &kernel, &plan, options) {
            // Duties that share a program fall together: try each by itself, and go on with those that stand.
            exclude(&mut plan, &kernel, options, &error)?;
            object = open(&plan, options, 1)?;
            load_programs(&mut object, &kernel, &plan, options)?;
        }
        let hooks = attach(&mut object, &mut plan, options);
        drop(kernel);
        // The kernel's types took tens of megabytes in small pieces, which the allocator would keep.
        // SAFETY: a call without preconditions.
        unsafe { libc::malloc_trim(0) };
        Self::from_object(object, plan, hooks, options)
    }

    fn from_object(
        mut object: Ebpf,
        plan: Plan,
        hooks: Vec<Hook>,
        options: &Options,
    ) -> Result<Self, Error> {
        let map_bytes = object.maps().filter_map(|(_, map)| map_bytes(map));
        let map_bytes: u64 = map_bytes.sum();
        let cpu_rings = cpu_rings(take(&mut object, "CPU_EVENTS")?, &options.cpu_rings)?;
        let ring_bytes = cpu_rings
            .iter()
            .filter_map(|(_, ring)| locked_bytes(ring.as_fd()));
        let map_bytes = map_bytes + ring_bytes.sum::<u64>();
        let ring = RingBuf::try_from(take(&mut object, "EVENTS")?)
            .map_err(|source| map_error("EVENTS", "open", 0, source))?;
        let lost = Lost::new(&take(&mut object, "LOST")?, cpus())?;
        Ok(Self {
            ring: Some(Ring::new(ring)),
            cpu_rings,
            watches: Watches::new(
                take(&mut object, "CPU_WATCH")?,
                take(&mut object, "MEMORY_WATCH")?,
                options.max_watches,
            )?,
            runq: Runq::of(&mut object, options)?,
            tcp: tcp::of(&mut object, options)?,
            reclaim: reclaim::of(&mut object, options)?,
            block: block::of(&mut object, options)?,
            lost,
            #[cfg(feature = "probe-log")]
            log: Log::of(&mut object),
            on: plan.wanted(),
            status: plan.status.clone(),
            plan,
            hooks,
            cell_bytes: options.cells() as usize * CELL_BYTES,
            map_bytes,
            object,
        })
    }

    /// The ring, once: it belongs to the fast thread.
    pub fn take_ring(&mut self) -> Option<Ring> {
        self.ring.take()
    }

    /// The rings of single CPUs, once, each with its CPU: [`Options::cpu_rings`].
    pub fn take_cpu_rings(&mut self) -> Vec<(u32, Ring)> {
        std::mem::take(&mut self.cpu_rings)
    }

    /// The watch maps; clone them for another thread.
    pub fn watches(&mut self) -> &mut Watches {
        &mut self.watches
    }

    /// The run-queue histograms.
    pub fn runq(&mut self) -> &mut Runq {
        &mut self.runq
    }

    /// The histograms of requests to TCP servers.
    pub fn tcp(&mut self) -> &mut Tcp {
        &mut self.tcp
    }

    /// All histograms, to read.
    #[must_use]
    pub const fn histograms(&self) -> Histograms<'_> {
        Histograms {
            runq: &self.runq,
            tcp: &self.tcp,
        }
    }

    /// The histograms of direct reclaim, to read.
    #[must_use]
    pub const fn reclaim(&self) -> &Reclaim {
        &self.reclaim
    }

    /// The histograms of direct reclaim, to register groups.
    pub const fn reclaim_mut(&mut self) -> &mut Reclaim {
        &mut self.reclaim
    }

    /// The histograms of block I/O, to read.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// The histograms of block I/O, to register groups.
    pub const fn block_mut(&mut self) -> &mut Block {
        &mut self.block
    }

    /// How many groups share a histogram, in the table where these are the most.
    #[must_use]
    pub fn others(&self) -> usize {
        let tables = [
            self.runq.others(),
            self.tcp.others(),
            self.reclaim.others(),
            self.block.others(),
        ];
        tables.into_iter().max().unwrap_or_default()
    }

    /// The counters of what was lost.
    #[must_use]
    pub const fn lost(&self) -> &Lost {
        &self.lost
    }

    /// Hands every thread of the node to `each`, in the order of their numbers.
    ///
    /// # Errors
    /// When the kernel does not let it be read: see the status of [`Probe::Processes`].
    pub fn threads(&mut self, each: impl FnMut(&Thread)) -> Result<(), Error> {
        process::threads(&mut self.object, each)
    }

    /// Passes on the lines that the probes have written for debugging.
    #[cfg(feature = "probe-log")]
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// One entry per probe, in the order of [`Probe::ALL`].
    #[must_use]
    pub fn status(&self) -> &[ProbeStatus] {
        &self.status
    }

    /// Whether the kernel notes of each group when it gets a CPU: see [`Runq::may_have_run`].
    #[must_use]
    pub fn tells_who_runs(&self) -> bool {
        let mut status = self.status.iter();
        status.any(|status| status.probe == Probe::RunqLatency && status.state == State::On)
    }

    /// Kernel memory that the maps take, in bytes.
    #[must_use]
    pub const fn map_bytes(&self) -> u64 {
        self.map_bytes
    }
}

/// The status of every probe when [`Probes::load`] failed.
#[must_use]
pub fn unavailable(error: &Error) -> Vec<ProbeStatus> {
    Probe::ALL
        .into_iter()
        .map(|probe| ProbeStatus {
            probe,
            state: State::Off,
            why: error.to_string(),
        })
        .collect()
}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Constant<T>(T);

// SAFETY: plain integers, `repr(C)`, without padding.
unsafe impl Pod for Constant<Layout> {}
// SAFETY: as above.
unsafe impl Pod for Constant<Settings> {}

/// Makes the maps and fills in the constants. `starts`: room for the benchmark's hash by pid.
pub(super) fn open(plan: &Plan, options: &Options, starts: u32) -> Result<Ebpf, Error> {
    let (servers, served) = if plan.wanted().has(Probe::TcpLatency) {
        (options.groups(), options.hists())
    } else {
        (1, 1)
    };
    EbpfLoader::new()
        // The object has no relocations against kernel types: all of its offsets are constants.
        .btf(None)
        .override_global("LAYOUT", &Constant(plan.layout), true)
        .override_global("SETTINGS", &Constant(plan.settings), true)
        .map_max_entries("EVENTS", options.ring_bytes)
        .map_max_entries(
            "CPU_EVENTS",
            options.cpu_rings.iter().max().map_or(1, |last| last + 1),
        )
        .map_max_entries("CPU_WATCH", options.max_watches)
        .map_max_entries("MEMORY_WATCH", options.max_watches)
        .map_max_entries("RUNQ_GROUPS", options.groups())
        .map_max_entries("RUNQ_RAN", options.groups())
        .map_max_entries("RUNQ_HISTS", options.hists())
        .map_max_entries("RUNQ_BEHIND", options.hists())
        .map_max_entries("TCP_GROUPS", servers)
        .map_max_entries("TCP_HISTS", served)
        .map_max_entries("RECLAIM_GROUPS", options.groups())
        .map_max_entries("RECLAIM_HISTS", options.hists())
        .map_max_entries("BLOCK_GROUPS", options.groups())
        .map_max_entries("BLOCK_HISTS", options.hists())
        .map_max_entries("CELLS", options.cells())
        .map_max_entries("CPUS", cpus())
        .map_max_entries("LOST", cpus())
        .map_max_entries("BASELINE_STARTS", starts)
        .load(OBJECT)
        .map_err(|source| Error::Object {
            remedy: remedy(&source),
            source,
        })
}

/// How many CPUs there may ever be; without an answer, far more than most hosts have.
fn cpus() -> u32 {
    let cpus = aya::util::nr_cpus().ok();
    cpus.and_then(|cpus| cpus.try_into().ok()).unwrap_or(1024)
}

/// Takes out the probes that this kernel refuses even alone; passes `error` on when that is all of them.
fn exclude(
    plan: &mut Plan,
    kernel: &aya::Btf,
    options: &Options,
    error: &Error,
) -> Result<(), Error> {
    for probe in Probe::ALL
        .into_iter()
        .filter(|probe| plan.wanted().has(*probe))
        .collect::<Vec<_>>()
    {
        let mut alone = Plan {
            layout: plan.layout,
            settings: plan.settings,
            missing: plan.missing.clone(),
            status: Vec::new(),
        };
        alone.settings.duties = ProbeSet::of(probe).and(probe.needs()).duties();
        let mut object = open(&alone, options, 1)?;
        if let Err(error) = load_programs(&mut object, kernel, &alone, options) {
            plan.lower(probe, State::Off, &error.to_string());
        }
    }
    plan.depend();
    tracing::warn!(%error, "a probe was refused; going on without it");
    Ok(())
}

pub(super) fn take(object: &mut Ebpf, name: &'static str) -> Result<Map, Error> {
    object
        .take_map(name)
        .ok_or(Error::Missing { what: "map", name })
}

/// What the kernel accounts for a map of a kind that the object has.
fn map_bytes(map: &Map) -> Option<u64> {
    let (Map::Array(data) | Map::HashMap(data) | Map::PerCpuArray(data) | Map::RingBuf(data)) = map
    else {
        return None;
    };
    locked_bytes(data.fd().as_fd())
}

/// What the kernel accounts for a map, from the descriptor's information.
fn locked_bytes(map: BorrowedFd<'_>) -> Option<u64> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd())).ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("memlock:"))?
        .trim()
        .parse()
        .ok()
}

/// What to do about an object that cannot be loaded.
fn remedy(error: &EbpfError) -> &'static str {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return permission(error);
        }
        cause = inner.source();
    }
    "the two halves may be of different builds: `cargo xtask build` makes both"
}

pub(super) fn permission(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "needs CAP_BPF and CAP_PERFMON (or root), and a kernel that is not locked down to `confidentiality`"
        }
        Some(libc::ENOMEM) => "no memory for the maps: ask for less in [agent.room]",
        _ => "this kernel refuses it",
    }
}

pub(super) fn duplicate(name: &'static str, map: &MapData) -> Result<Map, Error> {
    map.fd()
        .as_fd()
        .try_clone_to_owned()
        .map_err(MapError::from)
        .and_then(MapData::from_fd)
        .and_then(Map::from_map_data)
        .map_err(|source| map_error(name, "duplicate", 0, source))
}

pub(super) const fn map_error(
    map: &'static str,
    call: &'static str,
    id: u64,
    source: MapError,
) -> Error {
    Error::Map {
        map,
        call,
        id,
        source,
    }
}
