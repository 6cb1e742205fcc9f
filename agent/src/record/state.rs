//! What tape and writer know of each other, and what people are told.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use serde::Serialize;

/// Shared by the slow loop's side and the writer's thread.
#[derive(Debug, Default)]
pub struct State {
    /// The writer has no segment and asks for a new one.
    pub(super) wanted: AtomicBool,
    pub(super) bytes: AtomicU64,
    pub(super) segments: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) torn: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// How a recording stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Where the segments are.
    pub directory: PathBuf,
    /// What all segments take on disk.
    pub bytes: u64,
    /// How many there are.
    pub segments: u64,
    /// How often the recording was interrupted since the start.
    pub gaps: u64,
    /// What an earlier agent's crash had torn off the end, in bytes.
    pub torn: u64,
    /// Why nothing is being recorded now.
    pub trouble: Option<String>,
}

impl State {
    pub(super) fn standing(&self, directory: PathBuf) -> Standing {
        Standing {
            directory,
            bytes: self.bytes.load(Relaxed),
            segments: self.segments.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            torn: self.torn.load(Relaxed),
            trouble: self.lock().clone(),
        }
    }

    /// Notes why nothing can be recorded, or that it can again; says so when that is news.
    pub(super) fn trouble(&self, why: Option<String>) {
        let mut trouble = self.lock();
        match (&*trouble, &why) {
            (Some(_), None) => tracing::info!("the recording goes on"),
            (None, Some(why)) => tracing::warn!("nothing is recorded: {why}"),
            _ => {}
        }
        *trouble = why;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
