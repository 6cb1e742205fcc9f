//! Taking a group's memory limits over: the one that moves, and the one above it.

use std::time::Instant;

use trimtab_core::signal::Amount;

use super::backend::Range;
use super::cgroupfs::{Moving, PATIENCE, Plan, entry};
use super::entry::{Entry, Ours};
use super::error::ActError;
use super::files::{garbled, padded, present, read_text, used};
use super::hard::HardLimit;
use super::ledger::Ledger;
use super::lever::Kind;
use super::limit_file::LimitFile;
use super::original::{key, original};
use super::set::replace;
use crate::sense::cgroup::GroupDir;
use crate::sense::file::Sight;
use crate::sense::hierarchy::Version;

/// One of the two files.
struct Seen {
    file: LimitFile,
    /// What it holds.
    text: String,
    held: Amount,
    /// What goes back into it.
    original: String,
    owner: Amount,
    /// Whether it holds a value that we wrote.
    is_ours: bool,
    /// Whether it holds a value that the ledger has never known.
    is_new: bool,
}

impl Seen {
    fn new(
        ledger: &Ledger,
        dir: &GroupDir,
        file: LimitFile,
        text: String,
    ) -> Result<Self, ActError> {
        let amount = |text: &str| {
            let amount = file.amount(text, None);
            amount.ok_or_else(|| garbled(dir, file, text))
        };
        let known = ledger.get(&key(dir, file));
        let is_ours = known.is_some_and(|known| ledger.is_ours(known, &text, None));
        let is_original = known.is_some_and(|known| file.same(&known.original, &text));
        let original = original(ledger, dir, file, &text, None);
        Ok(Self {
            held: amount(&text)?,
            owner: amount(&original)?,
            is_ours,
            is_new: !is_ours && !is_original,
            file,
            text,
            original,
        })
    }

    fn read(ledger: &Ledger, dir: &GroupDir, file: LimitFile) -> Result<Self, ActError> {
        Self::new(ledger, dir, file, present(dir, file)?)
    }

    /// What we write to a file that holds `text` from some time on; until then, what it holds may be ours as well.
    fn to_be(&self, text: String) -> Ours {
        let held = self.is_ours.then(|| self.text.clone());
        Ours::Fixed {
            wrote: held.into_iter().chain([text]).collect(),
        }
    }
}

impl Plan {
    /// Plans to take memory over.
    pub(super) fn memory(&mut self, ledger: &Ledger, range: Range) -> Result<(), ActError> {
        let target = self.target.memory.as_ref();
        let (dir, version) = target.ok_or_else(|| self.no_controller("memory"))?;
        let dir = dir.try_clone()?;
        match version {
            Version::V1 => self.memory_v1(ledger, &dir, range),
            Version::V2 => self.memory_v2(ledger, &dir, range),
        }
    }

    /// `memory.high` moves, and `memory.max` makes room for it.
    fn memory_v2(&mut self, ledger: &Ledger, dir: &GroupDir, range: Range) -> Result<(), ActError> {
        let high = Seen::read(ledger, dir, LimitFile::MemoryHigh)?;
        let max = Seen::read(ledger, dir, LimitFile::MemoryMax)?;
        // What its owner says with the hard limit counts, unless he has set the moving one beside our hard one.
        let adopted = if high.is_ours || !max.is_ours || high.owner.is_unlimited() {
            high.owner.min(max.owner)
        } else {
            high.owner
        };
        let most = range.ceiling.max(adopted);
        let used = used(dir, LimitFile::MemoryMax).unwrap_or(0);
        let hard = HardLimit::new(max.owner, Kind::MemoryHigh.quantise(most.max(padded(used))));
        let slowed = hard.map_or(adopted, HardLimit::slowed);
        // A hard limit of its owner's below ours replaces that, too, whether or not the ledger knows it by now.
        let is_lower = !max.is_ours && max.held < high.held;
        let is_fresh = !high.is_ours || max.is_new || is_lower;
        let is_roomy = padded(used).max(range.floor) <= slowed;
        let is_bounded = is_bounded_above(dir, adopted);
        let limit = if !is_fresh {
            high.held
        } else if adopted == max.owner && is_roomy && !is_bounded {
            slowed
        } else {
            adopted
        };
        if is_fresh {
            self.writes.push((high.file, text_of(limit)));
        }
        if high.is_ours && max.is_new && high.held < max.held {
            self.in_the_way = Some([high.text.clone(), high.original.clone()]);
        }
        self.keep(dir, &high, moving(range, adopted, slowed));
        if let Some(hard) = hard {
            let text = text_of(hard.ceiling());
            if max.is_ours || limit > slowed && !is_bounded {
                self.writes.push((max.file, text.clone()));
            }
            self.keep(dir, &max, max.to_be(text));
        }
        self.seen
            .extend([(high.file, high.text), (max.file, max.text)]);
        self.levers.push(Moving {
            file: high.file,
            adopted,
            held: limit,
            hard,
        });
        Ok(())
    }

    /// The hard limit moves, and that of memory and swap makes room for it once.
    fn memory_v1(&mut self, ledger: &Ledger, dir: &GroupDir, range: Range) -> Result<(), ActError> {
        let limit = Seen::read(ledger, dir, LimitFile::LimitInBytes)?;
        let most = range.ceiling.max(limit.owner);
        let ours = moving(range, limit.owner, limit.owner);
        self.keep(dir, &limit, ours);
        // Without swap accounting there is no second limit.
        if let Some(text) = read_text(dir, LimitFile::MemswLimit.name())? {
            let memsw = Seen::new(ledger, dir, LimitFile::MemswLimit, text)?;
            if !memsw.owner.is_unlimited() {
                // Its owner admitted so much swap beside the memory: the same again above the ceiling.
                let swap = memsw.owner.minus(limit.owner);
                let text = match most.plus(swap).max(memsw.owner) {
                    Amount::UNLIMITED => "-1".to_owned(),
                    most => text_of(most),
                };
                self.keep(dir, &memsw, memsw.to_be(text.clone()));
                self.writes.push((memsw.file, text));
            }
            self.seen.push((memsw.file, memsw.text));
        }
        self.seen.push((limit.file, limit.text));
        self.levers.push(Moving {
            file: limit.file,
            adopted: limit.owner,
            held: limit.held,
            hard: None,
        });
        Ok(())
    }

    fn keep(&mut self, dir: &GroupDir, seen: &Seen, ours: Ours) {
        let entry: Entry = entry(&self.target, dir, seen.file, seen.original.clone(), ours);
        self.entries.push(entry);
    }

    /// Puts back what its owner had set as `memory.high` where our own is below a hard limit that he has set
    /// since, so that nothing but that limits: it is left alone for now.
    pub(super) fn make_way(self) -> Result<(), ActError> {
        let (Some([held, original]), Some((dir, _))) = (self.in_the_way, &self.target.memory)
        else {
            return Ok(());
        };
        let deadline = Instant::now() + PATIENCE;
        match replace(dir, LimitFile::MemoryHigh, held, original, deadline) {
            // Its owner has written that as well: what is there is his.
            Err(ActError::Unsteady { .. }) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// Whether a group above has a limit that is no higher: that is met first, and a lower one here would only hide it.
fn is_bounded_above(dir: &GroupDir, limit: Amount) -> bool {
    for above in dir.path().ancestors().skip(1) {
        let Ok(Sight::Here(above)) = GroupDir::open_path(above.to_path_buf()) else {
            return false;
        };
        for file in [LimitFile::MemoryHigh, LimitFile::MemoryMax] {
            // The root of the hierarchy has none.
            let Ok(Some(text)) = read_text(&above, file.name()) else {
                return false;
            };
            if file.amount(&text, None).is_some_and(|above| above <= limit) {
                return !limit.is_unlimited();
            }
        }
    }
    false
}

/// What we write to a limit that moves, `slowed` included.
fn moving(range: Range, adopted: Amount, slowed: Amount) -> Ours {
    Ours::Moving {
        least: Kind::MemoryHigh.quantise(range.floor).min(slowed),
        most: range.ceiling.max(adopted),
        period_us: None,
        mark: None,
    }
}

/// The text of a memory limit, in whole pages.
fn text_of(amount: Amount) -> String {
    Kind::MemoryHigh.text(Kind::MemoryHigh.quantise(amount))
}
