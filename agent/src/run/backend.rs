//! The running agent as the API sees it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::broadcast;
use trimtab_core::signal::{Mode, Nanos};

use super::{agent::Agent, view::bins};
use crate::{
    api::{
        backend::{Backend, Refusal},
        view::{
            Adoption, Comparison, Detail, Entry, Finding, Processes, Recording, Released, Status,
            Why, Workload,
        },
    },
    sense::runtime::Runtimes,
};

/// How many journal entries `show` comes with.
const RECENT: usize = 5;

/// One agent, shared by the slow loop and the API, and what that one remembers beside it.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Agent>>, Arc<Mutex<Runtimes>>);

impl Shared {
    pub(super) fn new(agent: Agent) -> Self {
        Self(Arc::new(Mutex::new(agent)), Arc::default())
    }

    /// The agent; a call that panicked has not left it half done, since every change is one
    /// assignment or one message.
    pub(super) fn lock(&self) -> MutexGuard<'_, Agent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent with all that the fast thread has done so far: of some of it, it tells no
    /// sooner than it is asked.
    pub(super) fn asked(&self) -> MutexGuard<'_, Agent> {
        let mut agent = self.lock();
        agent.reports();
        agent
    }
}

fn gone(path: &str) -> Refusal {
    Refusal::NotFound(format!(
        "{path} is no workload (any more); `trimtab workloads` lists what there is"
    ))
}

impl Backend for Shared {
    fn status(&self) -> Status {
        self.asked().status()
    }

    fn workloads(&self) -> Vec<Workload> {
        let agent = self.asked();
        let mut workloads: Vec<_> = agent
            .workloads
            .iter()
            .map(|workload| agent.shown(workload))
            .collect();
        workloads.sort_by(|a, b| a.path.cmp(&b.path));
        workloads
    }

    fn show(&self, path: &str) -> Result<Detail, Refusal> {
        let agent = self.asked();
        let slot = agent.workloads.at(path).ok_or_else(|| gone(path))?;
        let workload = agent.workloads.get(slot).ok_or_else(|| gone(path))?;
        let mut children: Vec<_> = agent
            .workloads
            .iter()
            .filter(|child| child.parent == Some(slot))
            .map(super::workload::Workload::shown_path)
            .collect();
        children.sort();
        let sizes = agent.sizes(workload);
        let detail = Detail {
            workload: agent.shown(workload),
            children,
            counters: workload.counters.clone(),
            stalls: agent.stalls(workload),
            recent: agent.journal.last(&workload.shown_path(), RECENT),
            runtimes: Vec::new(),
            waits: workload
                .waits
                .as_ref()
                .map(|waits| bins(&waits.hist.waiting)),
            answers: workload.tcp.as_ref().map(|hist| bins(&hist.answered)),
        };
        // The slow loop does not wait for executables to be read.
        drop(agent);
        let mut runtimes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Detail {
            runtimes: sizes.runtimes(&mut runtimes),
            ..detail
        })
    }

    fn explain(&self, workload: &str, last: usize) -> Vec<Entry> {
        self.asked().journal.last(workload, last)
    }

    fn why(&self, path: &str, window: Duration) -> Result<Why, Refusal> {
        let agent = self.lock();
        let slot = agent.workloads.at(path).ok_or_else(|| gone(path))?;
        let workload = agent.workloads.get(slot).ok_or_else(|| gone(path))?;
        let window = Nanos(u64::try_from(window.as_nanos()).unwrap_or(u64::MAX));
        agent.why(workload, window).ok_or_else(|| {
            Refusal::Conflict(
                "nothing tells how its tasks wait: the probe runq-latency is off, or counts them together with others'; `trimtab doctor` says why"
                    .into(),
            )
        })
    }

    fn compare(&self, path: Option<&str>) -> Result<Vec<Comparison>, Refusal> {
        let agent = self.asked();
        let Some(path) = path else {
            return Ok(agent.compare_all());
        };
        let slot = agent.workloads.at(path).ok_or_else(|| gone(path))?;
        let workload = agent.workloads.get(slot).ok_or_else(|| gone(path))?;
        Ok(vec![agent.compare(workload)?])
    }

    fn processes(&self, path: Option<&str>) -> Result<Processes, Refusal> {
        let mut agent = self.lock();
        let slot = match path {
            Some(path) => Some(agent.workloads.at(path).ok_or_else(|| gone(path))?),
            None => None,
        };
        agent.processes(slot)
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.lock().journal.subscribe()
    }

    fn set_mode(&self, path: &str, mode: Mode) -> Result<Workload, Refusal> {
        let mut agent = self.lock();
        let slot = agent.workloads.at(path).ok_or_else(|| gone(path))?;
        let slot = agent.set_mode(slot, mode)?;
        let workload = agent.workloads.get(slot).ok_or_else(|| gone(path))?;
        Ok(agent.shown(workload))
    }

    fn pin(&self, path: &str, pinned: bool) -> Result<Workload, Refusal> {
        let mut agent = self.lock();
        let slot = agent.workloads.at(path).ok_or_else(|| gone(path))?;
        agent.pin(slot, pinned);
        let workload = agent.workloads.get(slot).ok_or_else(|| gone(path))?;
        Ok(agent.shown(workload))
    }

    fn pause(&self, paused: bool) -> Result<(), Refusal> {
        self.lock().pause(paused);
        Ok(())
    }

    fn record(&self, on: bool) -> Result<Recording, Refusal> {
        if on {
            self.start_recording()
        } else {
            self.stop_recording()
        }
    }

    fn doctor(&self) -> Vec<Finding> {
        self.lock().findings()
    }

    fn adopt(&self, adoption: &Adoption) -> Result<Workload, Refusal> {
        let mut agent = self.lock();
        let slot = agent.adopt_run(adoption)?;
        let workload = agent
            .workloads
            .get(slot)
            .ok_or_else(|| gone(&adoption.path))?;
        Ok(agent.shown(workload))
    }

    fn release(&self, path: &str) -> Result<Released, Refusal> {
        self.lock().release_run(path)
    }
}
