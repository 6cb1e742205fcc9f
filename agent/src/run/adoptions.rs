//! What is kept about groups beside their workloads.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use trimtab_core::signal::Slot;

use crate::{
    act::{ledger::Ledger, owners::Owners},
    sense::cgroup::Ids,
};

/// What is kept about groups whose limits we may write.
pub(super) struct Adoptions {
    pub(super) ledger: Ledger,
    pub(super) backend: Owners,
    /// Groups of released workloads that the fast thread has not let go of.
    pub(super) leaving: HashMap<Slot, Ids>,
    /// Groups that it has let go of, and whose originals are still to go back.
    pub(super) left: Vec<Ids>,
    /// Groups that policies select and for which there is no room; parents before their children.
    pub(super) waiting: BTreeSet<Arc<str>>,
    /// Groups whose owner is not known, because nobody answers: they are tried again.
    pub(super) unanswered: BTreeSet<Arc<str>>,
}

impl Adoptions {
    pub(super) fn new(ledger: Ledger, backend: Owners) -> Self {
        Self {
            ledger,
            backend,
            leaving: HashMap::new(),
            left: Vec::new(),
            waiting: BTreeSet::new(),
            unanswered: BTreeSet::new(),
        }
    }
}
