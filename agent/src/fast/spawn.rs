//! Starts the threads, with all that they will ever need.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use rustix::thread::{CpuSet, gettid, sched_setaffinity};
use trimtab_core::signal::Amount;

use super::{
    memory::NodeMemory,
    message::FastEnd,
    priority::{Priority, demote, on_each_cpu, raise},
    stats::Stats,
    thread::State,
    wait::{Stop, Waiter},
};
use crate::{config, probe::Ring};

/// What the threads are made of.
pub struct Fast {
    /// The kernel's events; `None` when no probe could be loaded: the twins still come.
    pub ring: Option<Ring>,
    /// Those of single CPUs: each gets a thread that stays there.
    pub cpu_rings: Vec<(u32, Ring)>,
    /// The slow loop's messages.
    pub end: FastEnd,
    /// CPU of the node.
    pub node: Amount,
    /// Memory of the node that is never granted.
    pub memory_reserve: Amount,
    /// How many workloads there may be.
    pub workloads: usize,
    /// How they wish to be scheduled.
    pub wish: config::Fast,
}

/// The running fast threads.
#[derive(Debug)]
pub struct Handle {
    /// The threads.
    pub threads: Threads,
    /// What they say about themselves.
    pub stats: Arc<Stats>,
    /// What the first was granted, and the others with it.
    pub priority: Priority,
}

/// The threads themselves.
#[derive(Debug, Default)]
pub struct Threads {
    handles: Vec<JoinHandle<()>>,
    tids: Vec<i32>,
}

impl Threads {
    /// Waits for their end, after [`super::Command::Stop`]; whether none of them panicked.
    #[must_use]
    pub fn join(self) -> bool {
        let ends: Vec<_> = self.handles.into_iter().map(JoinHandle::join).collect();
        ends.iter().all(Result::is_ok)
    }

    /// Takes real time away from them: one of them overran its budget, and `SIGXCPU` does not say which.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn demote(&self) -> io::Result<()> {
        self.tids.iter().try_for_each(|tid| demote(*tid))
    }

    fn add(
        &mut self,
        name: String,
        work: impl FnOnce() + Send + 'static,
        wish: config::Fast,
    ) -> io::Result<Priority> {
        let (tell, told) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            // The receiver lives until this has arrived.
            let _ = tell.send((gettid().as_raw_nonzero().get(), raise(wish)));
            work();
        })?;
        self.handles.push(thread);
        let (tid, priority) = told
            .recv()
            .map_err(|_| io::Error::other("a fast thread ended at its start"))?;
        self.tids.push(tid);
        Ok(priority)
    }
}

/// Starts the threads and waits until they have their priority.
///
/// # Errors
/// No thread, no `epoll`, or no `/proc/meminfo`.
pub fn spawn(fast: Fast) -> io::Result<Handle> {
    let Fast {
        ring,
        cpu_rings,
        end,
        node,
        memory_reserve,
        workloads,
        wish,
    } = fast;
    let cpus = on_each_cpu(cpu_rings.len(), node);
    let stats = Arc::new(Stats::default());
    let memory = NodeMemory::open(memory_reserve).map_err(io::Error::other)?;
    let stop = Stop::new()?;
    let first = Waiter::new(ring, &end.wake, stop.clone())?;
    let turns = State::new(end, memory, Arc::clone(&stats), workloads);
    let turns = Arc::new(Mutex::new(turns));
    let mut threads = Threads::default();
    for (cpu, ring) in cpu_rings {
        let waiter = Waiter::of_cpu(ring, &stop)?;
        let turns = Arc::clone(&turns);
        let work = move || {
            let mut only = CpuSet::new();
            only.set(usize::try_from(cpu).unwrap_or_default());
            // A CPU that has just gone has no events any more.
            let _ = sched_setaffinity(None, &only);
            waiter.follow(&turns);
        };
        threads.add(format!("trimtab-cpu{cpu}"), work, wish)?;
    }
    let granted = threads.add("trimtab-fast".into(), move || first.lead(&turns), wish)?;
    Ok(Handle {
        threads,
        stats,
        priority: Priority { cpus, ..granted },
    })
}

/// The CPUs that a thread of ours may stay on.
#[must_use]
pub fn cpus() -> Vec<u32> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .filter_map(|cpu| u32::try_from(cpu).ok())
        .collect()
}
