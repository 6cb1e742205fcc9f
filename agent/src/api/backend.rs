//! What the server needs from the running agent.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;
use trimtab_core::signal::Mode;

use super::view::{
    Adoption, Comparison, Detail, Entry, Finding, Processes, Recording, Released, Status, Why,
    Workload,
};

/// Why the agent did not do what it was asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such workload, or group.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done in the present state.
    #[error("{0}")]
    Conflict(String),
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The agent failed.
    #[error("{0}")]
    Failed(String),
}

/// The running agent, as the API sees it.
///
/// Calls come from threads of their own, so they may wait for the slow loop. Where a workload is
/// named, the server has already resolved what the user typed to the exact cgroup path.
pub trait Backend: Send + Sync + 'static {
    /// The agent as a whole.
    fn status(&self) -> Status;

    /// Every workload, in the order of their paths.
    fn workloads(&self) -> Vec<Workload>;

    /// One workload and what belongs to it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it has gone meanwhile.
    fn show(&self, path: &str) -> Result<Detail, Refusal>;

    /// The last entries of one workload, oldest first. A workload that has gone is given as the
    /// user typed it: a name or a path; the journal may still know it. An empty one stands for all and the node.
    fn explain(&self, workload: &str, last: usize) -> Vec<Entry>;

    /// Why one workload's tasks waited for a CPU in the last `window`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it has gone meanwhile, [`Refusal::Conflict`] when nothing tells
    /// how tasks wait.
    fn why(&self, path: &str, window: Duration) -> Result<Why, Refusal>;

    /// What the shadow of one workload would have done, or those of all that have one.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it has gone meanwhile, [`Refusal::Conflict`] when it has no shadow.
    fn compare(&self, path: Option<&str>) -> Result<Vec<Comparison>, Refusal>;

    /// The processes of one workload, those below it included, or of all groups.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it has gone meanwhile, [`Refusal::Conflict`] when all are asked
    /// for and nothing lists them.
    fn processes(&self, path: Option<&str>) -> Result<Processes, Refusal>;

    /// Every entry from now on.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>>;

    /// Changes a workload's mode until it goes or the agent stops.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it has gone meanwhile.
    fn set_mode(&self, path: &str, mode: Mode) -> Result<Workload, Refusal>;

    /// Pins a workload's limits to where they are, or unpins them.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it has gone meanwhile.
    fn pin(&self, path: &str, pinned: bool) -> Result<Workload, Refusal>;

    /// Suspends all writing, or ends that.
    ///
    /// # Errors
    /// Any [`Refusal`] that the agent has reason for.
    fn pause(&self, paused: bool) -> Result<(), Refusal>;

    /// Records from now on, or no longer, until the agent stops.
    ///
    /// # Errors
    /// [`Refusal::Conflict`] when that is so already, [`Refusal::Failed`] when it cannot begin.
    fn record(&self, on: bool) -> Result<Recording, Refusal>;

    /// Each probe and capability.
    fn doctor(&self) -> Vec<Finding>;

    /// Makes one group a workload under the policy `run`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such group, [`Refusal::Conflict`] when it is a
    /// workload already.
    fn adopt(&self, adoption: &Adoption) -> Result<Workload, Refusal>;

    /// Ends what [`Backend::adopt`] began.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when that group was not adopted.
    fn release(&self, path: &str) -> Result<Released, Refusal>;
}
