//! The way to each group's owner: its unit by systemd and directly, everybody else's directly.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{
    backend::{Adopted, Backend, Target, TargetUnit, Wish},
    cgroupfs::Cgroupfs,
    error::ActError,
    ledger::{Entry, Ledger},
    limit_file::LimitFile,
    owner::{Owner, may_write, owner},
    restore::{Report, restore},
    systemd::{asker::Asker, bus::Unit, drop_in, property::property},
};
use crate::{
    identity::{path::identify, source::Failure},
    sense::hierarchy::Version,
};

/// How long an earlier start's limits of a unit may take to go back before the present one is adopted.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// Finds each group's owner, and goes its way.
#[derive(Debug, Default)]
pub struct Owners {
    direct: Cgroupfs,
    systemd: Option<Arc<Asker>>,
}

impl Owners {
    /// With systemd, where there is somebody to ask it.
    #[must_use]
    pub const fn new(systemd: Option<Arc<Asker>>) -> Self {
        Self {
            direct: Cgroupfs,
            systemd,
        }
    }

    /// Who talks to systemd.
    #[must_use]
    pub const fn systemd(&self) -> Option<&Arc<Asker>> {
        self.systemd.as_ref()
    }

    /// Who owns each group, as far as systemd has to be asked; in the order of `jobs`.
    fn units(&self, jobs: &[(Target, Wish)]) -> Vec<Answer> {
        let hears = |(target, _): &(Target, Wish)| {
            let unit = matches!(owner(&identify(&target.path)), Owner::Systemd { .. });
            // On v1 systemd has each limit in another form.
            let v2 = |version: Option<Version>| version.is_none_or(|one| one == Version::V2);
            let versions = [&target.cpu, &target.memory];
            let v2 = versions.map(|dir| v2(dir.as_ref().map(|(_, version)| *version)));
            unit && v2 == [true; 2]
        };
        let Some(asker) = &self.systemd else {
            return jobs.iter().map(|_| Answer::NotAsked).collect();
        };
        let paths = jobs.iter().filter(|job| hears(job));
        let paths: Vec<_> = paths.map(|(target, _)| Arc::clone(&target.path)).collect();
        let mut units = asker.look(&paths).map(Vec::into_iter);
        let mut answer = |job: &(Target, Wish)| {
            if !hears(job) {
                return Answer::NotAsked;
            }
            match &mut units {
                Ok(units) => units
                    .next()
                    .flatten()
                    .map_or(Answer::NotAsked, |unit| Answer::Unit(Box::new(unit))),
                // Where there is no systemd, nobody else writes.
                Err(Failure::Absent(_)) => Answer::NotAsked,
                Err(failure) => Answer::Failed(failure.clone()),
            }
        };
        jobs.iter().map(&mut answer).collect()
    }

    fn route(
        &self,
        ledger: &Ledger,
        (mut target, mut wish): (Target, Wish),
        answer: Answer,
    ) -> Result<(Target, Wish), ActError> {
        match (answer, &self.systemd) {
            (Answer::Unit(unit), Some(asker)) => {
                wish = unpinned(&unit, wish)?;
                target.unit = Some(TargetUnit {
                    bus: asker.socket().to_owned(),
                    originals: originals(ledger, &unit, &target),
                    name: unit.name,
                });
            }
            (Answer::Failed(failure), _) => {
                return Err(ActError::OwnerSilent {
                    group: target.path.to_string(),
                    failure,
                });
            }
            _ => may_write(&target.path, &owner(&identify(&target.path)), target.named)?,
        }
        Ok((target, wish))
    }
}

/// What systemd says of a group.
enum Answer {
    /// It is this unit's own.
    Unit(Box<Unit>),
    /// It is no unit's, or there is no systemd: its path tells all that there is to know.
    NotAsked,
    /// Nothing: who owns it is not known.
    Failed(Failure),
}

/// A unit that was started again has a new group, but the limits of its earlier one, as long as systemd
/// was told nothing else: these go back first, so that the owner's are there to be adopted. The groups for which they
/// have not.
fn settle_earlier(
    ledger: &mut Ledger,
    jobs: &[(Target, Wish)],
    systemd: Option<&Asker>,
) -> BTreeSet<Arc<str>> {
    let inodes = |(target, _): &(Target, Wish)| {
        let dirs = [&target.cpu, &target.memory].into_iter().flatten();
        let inodes: Vec<u64> = dirs.map(|(dir, _)| dir.id()).collect();
        (Arc::clone(&target.path), inodes)
    };
    let own: BTreeMap<Arc<str>, Vec<u64>> = jobs.iter().map(inodes).collect();
    let is_earlier = |entry: &Entry| {
        let own = own.get(entry.group.as_str());
        entry.unit.is_some() && own.is_some_and(|own| !own.contains(&entry.key.inode))
    };
    if ledger.entries().any(is_earlier) {
        if let Some(systemd) = systemd {
            // What it is being told of the earlier one must not come after that.
            systemd.flush(PATIENCE);
        }
        let report = restore(ledger, is_earlier, Instant::now() + PATIENCE);
        if !report.is_complete() {
            tracing::warn!("{report}");
        }
    }
    let left = ledger.entries().filter(|entry| is_earlier(entry));
    left.map(|entry| entry.group.as_str().into()).collect()
}

/// The wish without what would not outlast a reload: what an administrator has set for good goes before
/// ours.
fn unpinned(unit: &Unit, mut wish: Wish) -> Result<Wish, ActError> {
    let is_pinned = |files: &[LimitFile]| files.iter().any(|file| unit.pinned.contains(file));
    if is_pinned(&[LimitFile::CpuMax])
        || wish.weight.is_some() && is_pinned(&[LimitFile::CpuWeight])
    {
        (wish.cpu, wish.weight) = (None, None);
    }
    if is_pinned(&[LimitFile::MemoryHigh, LimitFile::MemoryMax]) {
        wish.memory = None;
    }
    if wish == Wish::default() {
        let names = unit.pinned.iter().filter_map(|file| property(*file));
        return Err(ActError::Pinned {
            unit: unit.name.clone(),
            properties: names.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(wish)
}

/// The original value of each property, and whether a drop-in has it: what the ledger has, unless somebody
/// else has set it since.
fn originals(ledger: &Ledger, unit: &Unit, target: &Target) -> BTreeMap<LimitFile, (u64, bool)> {
    let original = |(file, held): (&LimitFile, &u64)| {
        let dir = target.of(file.resource()).map(|(dir, _)| dir);
        let entry = dir.and_then(|dir| ledger.get(&super::original::key(dir, *file)));
        let kept = entry.and_then(|entry| {
            let ours = ledger.told(entry).is_none_or(|told| told.contains(held));
            let kept = entry.unit.as_ref().filter(|_| ours);
            kept.map(|kept| (kept.value, kept.is_set))
        });
        let is_set = || drop_in::is_there(&unit.name, *file);
        (*file, kept.unwrap_or_else(|| (*held, is_set())))
    };
    unit.values.iter().map(original).collect()
}

impl Backend for Owners {
    fn name(&self) -> &'static str {
        if self.systemd.is_some() {
            "systemd, else cgroupfs"
        } else {
            "cgroupfs"
        }
    }

    fn adopt(
        &self,
        ledger: &mut Ledger,
        jobs: Vec<(Target, Wish)>,
    ) -> Vec<Result<Adopted, ActError>> {
        let unsettled = settle_earlier(ledger, &jobs, self.systemd.as_deref());
        let answers = self.units(&jobs);
        let mut routed = Vec::new();
        let mut results = Vec::new();
        for (job, answer) in jobs.into_iter().zip(answers) {
            let answer = if unsettled.contains(&job.0.path) {
                // What it holds may be what we told the earlier one.
                Answer::Failed(Failure::Silent)
            } else {
                answer
            };
            match self.route(ledger, job, answer) {
                Ok(job) => {
                    routed.push(job);
                    results.push(None);
                }
                Err(error) => results.push(Some(error)),
            }
        }
        let mut adopted = self.direct.adopt(ledger, routed).into_iter();
        let result = |error: Option<ActError>| match error {
            Some(error) => Err(error),
            // There is one for each that was routed.
            None => adopted.next().unwrap_or_else(|| Ok(Adopted::default())),
        };
        results.into_iter().map(result).collect()
    }

    fn follow(&self, ledger: &mut Ledger, target: Target, wish: Wish) -> Result<(), ActError> {
        let jobs = [(target, wish)];
        let answer = self.units(&jobs).pop();
        let [job] = jobs;
        let (target, wish) = self.route(ledger, job, answer.unwrap_or(Answer::NotAsked))?;
        self.direct.follow(ledger, target, wish)
    }

    fn release(&self, ledger: &mut Ledger, path: &str, deadline: Instant) -> Report {
        self.direct.release(ledger, path, deadline)
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::signal::Amount;

    use super::*;
    use crate::act::backend::Range;

    #[test]
    fn what_is_pinned_is_not_wished_for() {
        let range = Range {
            floor: Amount(1),
            ceiling: Amount(2),
        };
        let all = Wish {
            cpu: Some(range),
            memory: Some(range),
            weight: None,
        };
        let unit = |pinned: &[LimitFile]| Unit {
            name: "a.service".into(),
            pinned: pinned.iter().copied().collect(),
            ..Unit::default()
        };
        for (pinned, cpu, memory) in [
            (&[][..], true, true),
            (&[LimitFile::CpuMax], false, true),
            (&[LimitFile::CpuWeight], true, true),
            (&[LimitFile::MemoryMax], true, false),
            (&[LimitFile::MemoryHigh], true, false),
        ] {
            let wish = unpinned(&unit(pinned), all).unwrap();
            assert_eq!((wish.cpu.is_some(), wish.memory.is_some()), (cpu, memory));
        }
        let weighed = Wish {
            weight: Some(200),
            memory: Some(range),
            cpu: None,
        };
        let wish = unpinned(&unit(&[LimitFile::CpuWeight]), weighed).unwrap();
        assert_eq!((wish.weight, wish.memory), (None, Some(range)));
        let refused = unpinned(&unit(&[LimitFile::CpuMax, LimitFile::MemoryMax]), all).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a.service: what systemd is told of CPUQuotaPerSecUSec, MemoryMax would not outlast a reload: left alone"
        );
    }
}
