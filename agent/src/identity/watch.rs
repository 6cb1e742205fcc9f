//! The thread that asks sources, and what it last heard.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, task::LocalSet};

use super::{
    desk::{Desk, tend},
    known::Known,
    source::{Failure, Group, Source as _, cri::Cri, engine::Engine, systemd::Systemd},
};
use crate::sense::cgroup::Ids;

/// Whom to ask, and on which socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// systemd, on this bus.
    Systemd(PathBuf),
    /// A runtime with the container runtime interface.
    Cri(PathBuf),
    /// An engine with the API of Docker's.
    Engine(PathBuf),
}

impl Address {
    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        match self {
            Self::Systemd(socket) | Self::Cri(socket) | Self::Engine(socket) => socket,
        }
    }

    /// What it is called: `systemd`, or its socket.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Systemd(_) => "systemd".into(),
            Self::Cri(socket) | Self::Engine(socket) => socket.display().to_string(),
        }
    }

    /// Whether it might know this group.
    #[must_use]
    pub fn concerns(&self, group: &Group) -> bool {
        match self {
            Self::Systemd(_) => Systemd::concerns(group),
            Self::Cri(_) => Cri::concerns(group),
            Self::Engine(_) => Engine::concerns(group),
        }
    }
}

/// How a source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has not answered yet, and need not have.
    #[default]
    Starting,
    /// It answers; what it calls itself.
    Here(String),
    /// It was asked and did not answer, or made no sense.
    Fails(Failure),
}

/// What was last heard of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who it is.
    pub address: Address,
    /// How it stands.
    pub standing: Standing,
}

/// Running questions; dropping it ends their thread as soon as nobody is waited for.
///
/// Each source has a task of its own on that thread, so that none waits for another, and nobody
/// who looks waits for any.
#[derive(Debug)]
pub struct Watch {
    desks: Vec<Arc<Desk>>,
}

impl Watch {
    /// Starts the thread that asks.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn spawn(addresses: Vec<Address>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let desks: Vec<_> = addresses
            .into_iter()
            .map(|address| Arc::new(Desk::new(address)))
            .collect();
        let tended = desks.clone();
        let work = move || {
            let tasks = LocalSet::new();
            for desk in tended {
                tasks.spawn_local(async move {
                    match desk.address() {
                        Address::Systemd(bus) => tend(Systemd::new(bus), &desk).await,
                        Address::Cri(socket) => tend(Cri::new(socket), &desk).await,
                        Address::Engine(socket) => tend(Engine::new(socket), &desk).await,
                    }
                });
            }
            runtime.block_on(tasks);
        };
        thread::Builder::new()
            .name("trimtab-who".into())
            .spawn(work)?;
        Ok(Self { desks })
    }

    /// Wishes to know more about a group, from every source that might.
    pub fn ask(&self, group: &Group) {
        for desk in &self.desks {
            if desk.address().concerns(group) {
                desk.ask(group);
            }
        }
    }

    /// A group is gone, or of no interest any more.
    pub fn forget(&self, ids: Ids) {
        for desk in &self.desks {
            desk.forget(ids);
        }
    }

    /// What has been found since the last time. Never waits for a source.
    #[must_use]
    pub fn found(&self) -> Vec<(Ids, Known)> {
        self.desks.iter().flat_map(|desk| desk.found()).collect()
    }

    /// How each source stands. Never waits for one.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.desks.iter().map(|desk| desk.heard()).collect()
    }

    /// How each source stands once it has answered for the first time, if it does within a time.
    #[must_use]
    pub fn first(&self, within: Duration) -> Vec<Heard> {
        let until = Instant::now() + within;
        let first = |desk: &Arc<Desk>| desk.first(until);
        self.desks.iter().map(first).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for desk in &self.desks {
            desk.end();
        }
    }
}
