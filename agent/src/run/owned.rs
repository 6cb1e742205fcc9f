//! A unit among the workloads: what systemd holds for it, and what it is to hold.

use trimtab_core::signal::{Amount, Nanos, Resource};

use super::workload::{LimitState, Workload};
use crate::{
    act::{
        hard::HardLimit,
        ledger::{Key, Ledger, LedgerError, Ours},
        limit_file::LimitFile,
        systemd::{
            asker::Values,
            property::{told, told_for},
        },
    },
    sense::file::{Scratch, Sight},
};

/// How often a unit is told at most: each time systemd writes two files. What raises the hard limit of memory
/// does not wait, since an older one may come back over more than it admits.
pub(super) const EVERY: Nanos = Nanos(2 * Nanos::SECOND.0);

/// A unit, and what systemd holds for it.
#[derive(Debug)]
pub(super) struct OwnedUnit {
    pub(super) epoch: u32,
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
    pub(super) told: Values,
    /// Whether it may hold something else than it was told: then it is asked first.
    pub(super) unsure: bool,
    /// The limits with which nothing was left to be told.
    settled: Option<Limits>,
    /// Not before then is it told again.
    pub(super) due: Nanos,
    pub(super) under_way: bool,
}

/// What the kernel holds for each resource, and whether that is somebody else's.
type Limits = [Option<(Amount, bool)>; 2];

impl OwnedUnit {
    pub(super) fn new(epoch: u32, name: &str) -> Self {
        Self {
            epoch,
            name: name.to_owned(),
            keys: Vec::new(),
            told: Values::new(),
            unsure: false,
            settled: None,
            due: Nanos(0),
            under_way: false,
        }
    }

    /// What systemd is to hold that it does not.
    fn wanted(
        &self,
        workload: &Workload,
        ledger: &Ledger,
        scratch: &mut Scratch,
    ) -> Vec<(LimitFile, u64)> {
        let value = |key: &Key| {
            let entry = ledger.get(key)?;
            let (file, resource) = (key.file, key.file.resource());
            let limit = workload.limits[resource.index()].as_ref();
            let value = match &entry.ours {
                Ours::Fixed { .. } if file == LimitFile::MemoryMax => {
                    hard_limit(workload, limit?, scratch)?.0
                }
                Ours::Fixed { wrote } => told_for(file, wrote.last()?)?,
                Ours::Moving { .. } => {
                    // Somebody else has told systemd, or does not want to.
                    let limit = limit.filter(|limit| !limit.foreign)?;
                    let original = entry.unit.as_ref()?.value;
                    if limit.held == limit.adopted && self.told.get(&file) == Some(&original) {
                        return None;
                    }
                    told(file, limit.held)
                }
            };
            (self.told.get(&file) != Some(&value)).then_some((file, value))
        };
        self.keys.iter().filter_map(value).collect()
    }

    /// Whether `held`, which the kernel was seen to hold, is nobody's wish, since systemd has only written it again:
    /// the limit remains ours, until a fast thread puts it back or systemd is told of it.
    pub(super) fn wrote_again(
        &self,
        ledger: &Ledger,
        resource: Resource,
        ours: &LimitState,
        held: Amount,
    ) -> bool {
        held != ours.held && !ours.foreign && self.echoes(ledger, resource, held)
    }

    /// Whether an older value of one of a resource's limits is no news: the original one, or what systemd was told.
    fn echoes(&self, ledger: &Ledger, resource: Resource, held: Amount) -> bool {
        let of_resource = self.keys.iter();
        let of_resource = of_resource.filter(|key| key.file.resource() == resource);
        let mut entries = of_resource.filter_map(|key| ledger.get(key));
        entries.any(|entry| {
            let original = entry.unit.as_ref().map(|unit| unit.value);
            let told = ledger.told(entry).unwrap_or_default();
            original == Some(held.0) || told.contains(&held.0)
        })
    }

    /// Whether systemd may write a hard limit of memory again that is lower than the one that is needed.
    pub(super) fn hurries(&self, workload: &Workload) -> bool {
        let memory = workload.limits[Resource::Memory.index()].as_ref();
        memory.is_some_and(|limit| self.hurries_for(limit))
    }

    fn hurries_for(&self, memory: &LimitState) -> bool {
        let raised = !memory.foreign && memory.outgrows_owner();
        let ceiling = memory.hard.filter(|_| raised).map(HardLimit::ceiling);
        let told = self.told.get(&LimitFile::MemoryMax);
        ceiling
            .zip(told)
            .is_some_and(|(ceiling, told)| *told < ceiling.0)
    }

    /// What is to be said of it now: no values to ask what it holds, and `None` if there is nothing to say.
    pub(super) fn word(
        &mut self,
        workload: &Workload,
        ledger: &Ledger,
        scratch: &mut Scratch,
        now: Nanos,
    ) -> Option<Vec<(LimitFile, u64)>> {
        let limit = |limit: &LimitState| (limit.held, limit.foreign);
        let limits = workload.limits.each_ref();
        let limits = limits.map(|one| one.as_ref().map(limit));
        if self.settled == Some(limits) {
            return None;
        }
        if self.unsure {
            return Some(Vec::new());
        }
        let mut wanted = self.wanted(workload, ledger, scratch);
        self.settled = wanted.is_empty().then_some(limits);
        let of_memory = |(file, _): &(LimitFile, u64)| file.resource() == Resource::Memory;
        if wanted.iter().any(of_memory) && is_close(workload, scratch) {
            wanted.retain(|value| !of_memory(value));
            self.due = now.plus(EVERY);
        }
        Some(wanted).filter(|wanted| !wanted.is_empty())
    }

    /// Keeps what is about to be told, so that it is known for ours.
    pub(super) fn note(
        &self,
        ledger: &Ledger,
        word: &[(LimitFile, u64)],
    ) -> Result<(), LedgerError> {
        for key in &self.keys {
            if let Some((file, value)) = word.iter().find(|(file, _)| *file == key.file) {
                let before = self.told.get(file).unwrap_or(value);
                ledger.about_to_tell(key, *before, *value)?;
            }
        }
        Ok(())
    }
}

/// Whether a group is so close to its owner's hard limit that a lift may raise that at any moment. With each word of
/// its memory systemd writes the hard limit, too: the owner's, until it is told of another one; and over more than that
/// admits, the kernel would kill. So nothing is said until it has been raised, or there is room again.
fn is_close(workload: &Workload, scratch: &mut Scratch) -> bool {
    let limit = workload.limits[Resource::Memory.index()].as_ref();
    let hard = limit.filter(|limit| !limit.outgrows_owner());
    let Some(hard) = hard.and_then(|limit| limit.hard) else {
        return false;
    };
    let Some(memory) = &workload.group.memory else {
        return false;
    };
    let close = hard.owner().percent(75);
    let used = memory.current(scratch).ok().and_then(Sight::here);
    let Some(used) = used.map(Amount).filter(|used| *used > close) else {
        return false;
    };
    // What can be dropped is, before anybody is killed.
    let stat = memory.stat(scratch).ok().and_then(Sight::here);
    stat.is_some_and(|stat| used.minus(Amount(stat.droppable())) > close)
}

/// What the hard limit of memory is to be for systemd: where there must be room above its owner's, ours, else
/// what the kernel holds, if nobody else has set that.
fn hard_limit(workload: &Workload, limit: &LimitState, scratch: &mut Scratch) -> Option<Amount> {
    let hard = limit.hard.filter(|_| !limit.foreign)?;
    if limit.outgrows_owner() {
        return Some(hard.ceiling());
    }
    let limits = workload.group.memory.as_ref()?.limits(scratch).ok();
    let (_, held) = limits.and_then(Sight::here)?;
    [hard.owner(), hard.ceiling()]
        .contains(&held)
        .then_some(held)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trimtab_core::decide::Bounds;

    use super::*;
    use crate::act::ledger::{Entry, UnitValue};

    #[test]
    fn what_systemd_writes_again_is_nobodys_wish() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), Duration::from_secs(1)).unwrap();
        let key = Key {
            dir: "/sys/fs/cgroup/a.service".into(),
            inode: 1,
            file: LimitFile::CpuMax,
        };
        let entry = Entry {
            key: key.clone(),
            group: "a.service".into(),
            original: "10000 100000".into(),
            ours: Ours::Moving {
                least: Amount(100_000),
                most: Amount(2_000_000),
                period_us: Some(100_000),
                mark: None,
            },
            unit: Some(UnitValue {
                unit: "a.service".into(),
                bus: "/nowhere".into(),
                value: 100_000,
                is_set: true,
                told: None,
            }),
        };
        ledger.record([entry]).unwrap();
        ledger.about_to_tell(&key, 100_000, 350_000).unwrap();
        let unit = OwnedUnit {
            keys: vec![key],
            ..OwnedUnit::new(1, "a.service")
        };
        let mut limit = LimitState::new(Bounds::of(Resource::Cpu), Amount(100_000), Amount(1));
        limit.held = Amount(1_000_000);
        let again = |limit: &LimitState, held| {
            unit.wrote_again(&ledger, Resource::Cpu, limit, Amount(held))
        };
        assert!(again(&limit, 100_000), "the original");
        assert!(again(&limit, 350_000), "what it was told");
        assert!(!again(&limit, 1_000_000), "ours");
        assert!(!again(&limit, 600_000), "an administrator's");
        limit.foreign = true;
        assert!(!again(&limit, 100_000), "somebody else's already");
    }

    #[test]
    fn only_a_raised_hard_limit_cannot_wait() {
        let mib = |mib: u64| Amount(mib << 20);
        let mut limit = LimitState::new(Bounds::of(Resource::Memory), mib(64), mib(62))
            .below(HardLimit::new(mib(64), mib(256)));
        let mut unit = OwnedUnit {
            told: Values::from([(LimitFile::MemoryMax, mib(64).0)]),
            ..OwnedUnit::new(1, "a.service")
        };
        assert!(!unit.hurries_for(&limit));
        limit.held = mib(100);
        assert!(unit.hurries_for(&limit));
        limit.foreign = true;
        assert!(!unit.hurries_for(&limit), "somebody else's");
        limit.foreign = false;
        unit.told.insert(LimitFile::MemoryMax, mib(256).0);
        assert!(!unit.hurries_for(&limit), "it knows");
        unit.told.clear();
        assert!(!unit.hurries_for(&limit), "it is not told of that one");
    }
}
