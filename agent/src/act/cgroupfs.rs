//! The backend for groups that nobody else writes: straight into their files.

use std::time::{Duration, Instant};

use trimtab_core::signal::{Amount, Resource};

use super::backend::{Adopted, Backend, Held, Range, Target, Wish};
use super::error::ActError;
use super::files::{garbled, period, present, read_text};
use super::hard::HardLimit;
use super::ledger::{Entry, Key, Ledger, Ours};
use super::lever::{Kind, Lever, LeverError};
use super::limit_file::LimitFile;
use super::newer::{WRITES, owner_was_faster};
use super::original::{key, original};
use super::restore::{Report, restore};
use super::set::replace;
use crate::sense::cgroup::GroupDir;
use crate::sense::cpu::Quota;
use crate::sense::hierarchy::Version;

/// The backend for groups that nobody else writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cgroupfs;

/// How long adoption waits for a write that reclaims memory, and for a failed one to be undone.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A limit that a lever is to move.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) file: LimitFile,
    /// What its owner had set.
    pub(super) adopted: Amount,
    /// What the kernel holds unless somebody else writes before the lever is there.
    pub(super) held: Amount,
    /// The hard limit that is moved along.
    pub(super) hard: Option<HardLimit>,
}

/// What will be done to one group, made by reading only.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    wish: Wish,
    /// What the files held that are to be written.
    pub(super) seen: Vec<(LimitFile, String)>,
    pub(super) entries: Vec<Entry>,
    pub(super) writes: Vec<(LimitFile, String)>,
    pub(super) levers: Vec<Moving>,
    /// Our own `memory.high`, where it is in the way of a hard limit that its owner has set anew, and what he had
    /// set there.
    pub(super) in_the_way: Option<[String; 2]>,
}

impl Backend for Cgroupfs {
    fn name(&self) -> &'static str {
        "cgroupfs"
    }

    fn adopt(
        &self,
        ledger: &mut Ledger,
        jobs: Vec<(Target, Wish)>,
    ) -> Vec<Result<Adopted, ActError>> {
        let mut plans: Vec<Result<Plan, ActError>> = jobs
            .into_iter()
            .map(|(target, wish)| Plan::make(ledger, target, wish))
            .collect();
        let entries: Vec<Entry> = plans
            .iter()
            .flatten()
            .flat_map(|plan| plan.entries.iter().cloned())
            .collect();
        if let Err(error) = ledger.record(entries) {
            // One failure, told for every group: none of them may be touched.
            let mut first = Some(error);
            for plan in plans.iter_mut().filter(|plan| plan.is_ok()) {
                let error = first
                    .take()
                    .unwrap_or_else(|| super::ledger::LedgerError::Io {
                        path: "ledger.json".into(),
                        action: "keep original values, as before",
                        source: std::io::Error::other("see the first group's error"),
                    });
                *plan = Err(error.into());
            }
        }
        plans
            .into_iter()
            .map(|plan| plan.and_then(|plan| plan.carry_out(ledger)))
            .collect()
    }

    fn follow(&self, ledger: &mut Ledger, target: Target, wish: Wish) -> Result<(), ActError> {
        let mut plan = Plan::make(ledger, target, wish)?;
        let mut entries = std::mem::take(&mut plan.entries);
        // Of the others the ledger knows what we wrote there, which the plan does not.
        entries.retain(|entry| {
            let known = ledger.get(&entry.key);
            known.is_none_or(|known| known.original != entry.original)
        });
        ledger.record(entries)?;
        plan.make_way()
    }

    fn release(&self, ledger: &mut Ledger, path: &str, deadline: Instant) -> Report {
        let path = path.trim_matches('/');
        restore(ledger, |entry| entry.group == path, deadline)
    }
}

impl Plan {
    pub(super) fn make(ledger: &Ledger, target: Target, wish: Wish) -> Result<Self, ActError> {
        let mut plan = Self {
            target,
            wish,
            seen: Vec::new(),
            entries: Vec::new(),
            writes: Vec::new(),
            levers: Vec::new(),
            in_the_way: None,
        };
        if let Some(range) = wish.cpu {
            plan.cpu(ledger, range)?;
        }
        if let Some(weight) = wish.weight {
            plan.weight(ledger, weight)?;
        }
        if let Some(range) = wish.memory {
            plan.memory(ledger, range)?;
        }
        Ok(plan)
    }

    fn cpu(&mut self, ledger: &Ledger, range: Range) -> Result<(), ActError> {
        let (dir, version) = self
            .target
            .cpu
            .as_ref()
            .ok_or_else(|| self.no_controller("cpu"))?;
        let (file, burst_file) = match version {
            Version::V2 => (LimitFile::CpuMax, LimitFile::CpuMaxBurst),
            Version::V1 => (LimitFile::CfsQuota, LimitFile::CfsBurst),
        };
        let text = present(dir, file)?;
        let period_us = period(dir, *version, &text)?;
        let original = original(ledger, dir, file, &text, Some(period_us));
        let amount = |text: &str| {
            file.amount(text, Some(period_us))
                .ok_or_else(|| garbled(dir, file, text))
        };
        let (adopted, held) = (amount(&original)?, amount(&text)?);
        let kind = Kind::CfsQuota { period_us };
        let least = kind.quantise(range.floor).min(adopted);
        let ours = Ours::Moving {
            least,
            most: kind.quantise(range.ceiling).max(adopted),
            period_us: Some(period_us),
            mark: None,
        };
        let mut entries = vec![entry(&self.target, dir, file, original, ours)];
        let mut writes = Vec::new();
        if let Some(burst) = read_text(dir, burst_file.name())? {
            // The kernel refuses a quota below the burst: it must fit under the lowest quota.
            let most = Quota::quota_for(least, period_us).unwrap_or(u64::MAX);
            if burst.parse().is_ok_and(|burst: u64| burst > most) {
                let original = self::original(ledger, dir, burst_file, &burst, None);
                let ours = Ours::Fixed {
                    wrote: vec![most.to_string()],
                };
                entries.push(entry(&self.target, dir, burst_file, original, ours));
                writes.push((burst_file, most.to_string()));
                self.seen.push((burst_file, burst));
            }
        }
        self.levers.push(Moving {
            file,
            adopted,
            held,
            hard: None,
        });
        self.entries.extend(entries);
        self.writes.extend(writes);
        Ok(())
    }

    fn weight(&mut self, ledger: &Ledger, weight: u64) -> Result<(), ActError> {
        let (dir, version) = self
            .target
            .cpu
            .as_ref()
            .ok_or_else(|| self.no_controller("cpu"))?;
        let (quota, share) = match version {
            Version::V2 => (LimitFile::CpuMax, LimitFile::CpuWeight),
            Version::V1 => (LimitFile::CfsQuota, LimitFile::CpuShares),
        };
        let held = present(dir, quota)?;
        let period_us = period(dir, *version, &held)?;
        let kind = match version {
            Version::V2 => Kind::CpuMax { period_us },
            Version::V1 => Kind::CfsQuota { period_us },
        };
        let unlimited = kind.text(Amount::UNLIMITED);
        // The weight goes first: at no time is there neither.
        let wanted = [(share, weight_text(*version, weight)), (quota, unlimited)];
        for (file, text) in wanted {
            let held = present(dir, file)?;
            if file == quota && file.same(&held, &text) {
                continue;
            }
            let original = original(ledger, dir, file, &held, Some(period_us));
            let ours = Ours::Fixed {
                wrote: vec![text.clone()],
            };
            self.entries
                .push(entry(&self.target, dir, file, original, ours));
            self.writes.push((file, text));
            self.seen.push((file, held));
        }
        Ok(())
    }

    fn entry_of(&self, key: &Key) -> Result<&Entry, ActError> {
        let planned = self.entries.iter().find(|entry| entry.key == *key);
        planned.ok_or_else(|| self.no_controller("planned"))
    }

    pub(super) fn no_controller(&self, name: &str) -> ActError {
        ActError::Absent {
            path: format!(
                "{} in a hierarchy with the {name} controller",
                self.target.path
            )
            .into(),
        }
    }

    /// Writes what is planned and opens the levers; plans anew when the owner has written since.
    /// On failure the group is put back.
    pub(super) fn carry_out(self, ledger: &mut Ledger) -> Result<Adopted, ActError> {
        let keys: Vec<Key> = self.entries.iter().map(|entry| entry.key.clone()).collect();
        let result = self.follow_and_write(ledger);
        if result.is_err() {
            restore(
                ledger,
                |entry| keys.contains(&entry.key),
                Instant::now() + PATIENCE,
            );
        }
        result
    }

    fn follow_and_write(mut self, ledger: &mut Ledger) -> Result<Adopted, ActError> {
        for _ in 1..WRITES {
            match self.write_and_open(ledger) {
                Err(ActError::Unsteady { .. }) => {
                    self = Self::make(ledger, self.target, self.wish)?;
                    ledger.record(self.entries.clone())?;
                }
                result => return result,
            }
        }
        self.write_and_open(ledger)
    }

    fn moves(&self, file: LimitFile) -> bool {
        self.levers.iter().any(|lever| lever.file == file)
    }

    /// Whether a file that is to be written holds what the plan was made of.
    fn is_as_seen(&self, file: LimitFile, held: &str) -> bool {
        let mut seen = self.seen.iter().filter(|(seen, _)| *seen == file);
        seen.all(|(_, text)| file.same(text, held))
    }

    fn write_and_open(&self, ledger: &mut Ledger) -> Result<Adopted, ActError> {
        let dir = |resource: Resource| {
            self.target.of(resource).ok_or_else(|| ActError::Gone {
                path: self.target.path.as_ref().into(),
            })
        };
        // Those that levers move are looked at when these are open.
        for (file, _) in self.seen.iter().filter(|(file, _)| !self.moves(*file)) {
            let (dir, _) = dir(file.resource())?;
            if !self.is_as_seen(*file, &present(dir, *file)?) {
                return Err(unsteady(dir, *file));
            }
        }
        for (file, text) in &self.writes {
            let (dir, _) = dir(file.resource())?;
            let held = present(dir, *file)?;
            if !self.is_as_seen(*file, &held) {
                return Err(unsteady(dir, *file));
            }
            // This may sync a disk, which is long enough for an owner to write.
            ledger.about_to_write(&key(dir, *file), &held, text, None)?;
            replace(dir, *file, held, text.clone(), Instant::now() + PATIENCE)?;
        }
        let mut adopted = Adopted::default();
        for moving in &self.levers {
            let file = moving.file;
            let (dir, version) = dir(file.resource())?;
            let lever = Lever::open(dir, *version, file.resource())?;
            let lever = match lever.below(dir, moving.hard) {
                Err(LeverError::Theirs { .. }) => return Err(unsteady(dir, LimitFile::MemoryMax)),
                lever => lever?,
            };
            let (original, limit) = match lever.read()? {
                limit if limit == moving.held => (moving.adopted, limit),
                // What is to be adopted depends on both of its limits.
                _ if file == LimitFile::MemoryHigh => return Err(unsteady(dir, file)),
                _ => owner_was_faster(
                    ledger,
                    self.entry_of(&key(dir, file))?,
                    (dir, *version),
                    &lever,
                )?,
            };
            let lever = lever
                .marked(ledger.mark(&key(dir, file), limit)?)
                .echoing(ledger.echo(&key(dir, file))?);
            let held = Some(Held {
                lever,
                adopted: original,
                limit,
            });
            match file.resource() {
                Resource::Cpu => adopted.cpu = held,
                Resource::Memory => adopted.memory = held,
            }
        }
        Ok(adopted)
    }
}

/// The error of a limit that does not hold what the plan was made of.
fn unsteady(dir: &GroupDir, file: LimitFile) -> ActError {
    ActError::Unsteady {
        path: dir.path().join(file.name()),
    }
}

/// The text of a weight: v1 counts 1,024 shares where v2 has a weight of 100, and knows no fewer than 2.
fn weight_text(version: Version, weight: u64) -> String {
    match version {
        Version::V2 => weight,
        Version::V1 => (weight * 1_024 / 100).max(2),
    }
    .to_string()
}

/// The ledger's entry of a file.
pub(super) fn entry(
    target: &Target,
    dir: &GroupDir,
    file: LimitFile,
    original: String,
    ours: Ours,
) -> Entry {
    Entry {
        unit: target.unit.as_ref().and_then(|unit| unit.value(file)),
        key: key(dir, file),
        group: target.path.to_string(),
        original,
        ours,
    }
}
