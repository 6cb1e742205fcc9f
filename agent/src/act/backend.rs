//! What every way of setting limits offers, whoever owns them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use trimtab_core::signal::{Amount, Resource};

use super::entry::UnitValue;
use super::error::ActError;
use super::ledger::Ledger;
use super::lever::Lever;
use super::limit_file::LimitFile;
use super::restore::Report;
use crate::sense::cgroup::GroupDir;
use crate::sense::file::{SenseError, Sight};
use crate::sense::hierarchy::{Hierarchies, Root, Version};

/// Between which amounts a limit will move: the envelope's floor and ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The lowest limit (micro-CPUs or bytes).
    pub floor: Amount,
    /// The highest.
    pub ceiling: Amount,
}

/// What is to be managed of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The CPU quota, moved within this range.
    pub cpu: Option<Range>,
    /// The memory limit, moved within this range.
    pub memory: Option<Range>,
    /// CPU is to be shared out by this weight alone, in the terms of `cpu.weight` (1 to 10,000): it is set, and the
    /// quota taken off. Both stay so until the group is released.
    pub weight: Option<u64>,
}

/// A group to be managed: its directories, held open, so that whatever is written reaches this
/// very group.
#[derive(Debug)]
pub struct Target {
    /// Path below the root.
    pub path: Arc<str>,
    /// Its directory in the cpu hierarchy.
    pub cpu: Option<(GroupDir, Version)>,
    /// Its directory in the memory hierarchy.
    pub memory: Option<(GroupDir, Version)>,
    /// Whether a policy names it outright, and so takes the blame for going behind its owner's back.
    pub named: bool,
    /// The unit whose own group it is, if systemd is to be told.
    pub unit: Option<TargetUnit>,
}

/// A unit whose limits are to be managed: the original values of its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUnit {
    /// Its name.
    pub name: String,
    /// The socket of the bus that its systemd is on.
    pub bus: PathBuf,
    /// By the file that a property stands for: its value, and whether a drop-in of this boot has it.
    pub originals: BTreeMap<LimitFile, (u64, bool)>,
}

impl TargetUnit {
    /// What the ledger keeps of the property that stands for a file.
    pub(super) fn value(&self, file: LimitFile) -> Option<UnitValue> {
        let (value, is_set) = *self.originals.get(&file)?;
        Some(UnitValue {
            unit: self.name.clone(),
            bus: self.bus.clone(),
            value,
            is_set,
            told: None,
        })
    }
}

impl Target {
    /// Opens the directories of the group at `path`.
    ///
    /// # Errors
    /// A directory is there but cannot be opened.
    pub fn open(hierarchies: &Hierarchies, path: &str) -> Result<Sight<Self>, SenseError> {
        let path: Arc<str> = path.trim_matches('/').into();
        let dir = |root: Option<&Root>| match root {
            None => Ok(None),
            Some(root) => Ok(GroupDir::open(root, &path)?
                .here()
                .map(|dir| (dir, root.version))),
        };
        let target = Self {
            cpu: dir(hierarchies.cpu.as_ref())?,
            memory: dir(hierarchies.memory.as_ref())?,
            path: path.clone(),
            named: false,
            unit: None,
        };
        Ok(if target.cpu.is_none() && target.memory.is_none() {
            Sight::Gone
        } else {
            Sight::Here(target)
        })
    }

    /// The directory in the hierarchy that limits `resource`, and its version.
    #[must_use]
    pub const fn of(&self, resource: Resource) -> Option<&(GroupDir, Version)> {
        match resource {
            Resource::Cpu => self.cpu.as_ref(),
            Resource::Memory => self.memory.as_ref(),
        }
    }
}

/// A limit that has been taken over.
#[derive(Debug)]
pub struct Held {
    /// Moves it.
    pub lever: Lever,
    /// What its owner had set: the base beyond which a lift is a grant. For memory on v2 the
    /// lower of `memory.high` and `memory.max`; what the kernel holds begins a little below.
    pub adopted: Amount,
    /// What the kernel holds now.
    pub limit: Amount,
}

/// A group that has been taken over.
#[derive(Debug, Default)]
pub struct Adopted {
    /// Its CPU quota, if that was wished for.
    pub cpu: Option<Held>,
    /// Its memory limit, if that was wished for.
    pub memory: Option<Held>,
}

/// One way of setting limits: directly, or by asking their owner.
pub trait Backend {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Takes groups over: keeps all original values in the ledger with one durable write, then
    /// prepares each group's files and opens its levers. Nothing is written to a group whose
    /// originals could not be kept. Adopting a group again keeps the originals of what is still
    /// ours, and takes values that somebody else has written since as the new originals.
    ///
    /// The results are in the order of `jobs`. A group that fails is put back.
    fn adopt(
        &self,
        ledger: &mut Ledger,
        jobs: Vec<(Target, Wish)>,
    ) -> Vec<Result<Adopted, ActError>>;

    /// Keeps values that somebody else has set in a group taken over before as the new originals,
    /// and leaves them alone for now: nothing is written but a `memory.high` that would stand in the way of a hard
    /// limit of theirs.
    ///
    /// # Errors
    /// A limit cannot be read, or the ledger not be written.
    fn follow(&self, ledger: &mut Ledger, target: Target, wish: Wish) -> Result<(), ActError>;

    /// Puts the original values of one group back and forgets it.
    fn release(&self, ledger: &mut Ledger, path: &str, deadline: Instant) -> Report;
}
