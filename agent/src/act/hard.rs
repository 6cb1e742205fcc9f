//! v2's hard limit, `memory.max`, above the one that moves.
//!
//! A runtime sizes its heap by `memory.max`, once, when it starts. So that stays where its owner set it for as long as
//! the workload keeps below it; `memory.high` then begins a little lower, so that whoever grows is slowed before anybody
//! is killed. A lift that needs the room takes the hard one to the ceiling first, which never reclaims; a trim that
//! leaves room puts it back.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use trimtab_core::decide::just_above;
use trimtab_core::signal::Amount;

use super::lever::{Kind, LeverError, TEXT, failed, open_at};
use super::limit_file::LimitFile;
use crate::sense::cgroup::GroupDir;
use crate::sense::file::limit;

/// The two values of a group's `memory.max` that are no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardLimit {
    /// What its owner had set, in bytes.
    owner: Amount,
    /// What it is raised to before the moving limit needs room above that.
    ceiling: Amount,
}

impl HardLimit {
    /// `None` where there is no room between the two: then `memory.max` is left alone.
    #[must_use]
    pub fn new(owner: Amount, ceiling: Amount) -> Option<Self> {
        (owner < ceiling).then_some(Self { owner, ceiling })
    }

    /// What its owner had set.
    #[must_use]
    pub const fn owner(self) -> Amount {
        self.owner
    }

    /// Where it is raised to.
    #[must_use]
    pub const fn ceiling(self) -> Amount {
        self.ceiling
    }

    /// The highest `memory.high` below the owner's hard limit. A thirty-second lower, the kernel lets a task sleep for
    /// some 60 ms after each 64 pages that it adds (mm/memcontrol.c, `calculate_high_delay`).
    #[must_use]
    pub fn slowed(self) -> Amount {
        let gap = (self.owner.0 / 32).max(LEAST_GAP.0.min(self.owner.0 / 8));
        Kind::MemoryHigh.quantise(self.owner.minus(Amount(gap)))
    }

    /// The limit that both files together mean: the lower one, but of a hard one that somebody else has set that, for a
    /// `memory.high` of ours must not stand in its way.
    #[must_use]
    pub fn limit(self, high: Amount, max: Amount) -> Amount {
        if max == self.owner || max == self.ceiling {
            high.min(max)
        } else {
            max
        }
    }
}

/// A thirty-second of a small group would be filled in a moment.
const LEAST_GAP: Amount = Amount(4 << 20);

/// The hard limit of one group, behind a descriptor that stays open.
#[derive(Debug)]
pub(super) struct Hard {
    file: File,
    path: Arc<Path>,
    limit: HardLimit,
    /// Whether it has been raised.
    raised: Cell<bool>,
}

impl Hard {
    /// # Errors
    /// The group is gone, or somebody else has set the limit.
    pub(super) fn open(dir: &GroupDir, limit: HardLimit) -> Result<Self, LeverError> {
        let name = LimitFile::MemoryMax.name();
        let (file, path) = open_at(dir, name, OFlags::RDWR | OFlags::NONBLOCK)?;
        let hard = Self {
            file,
            path,
            limit,
            raised: Cell::new(false),
        };
        match hard.read()? {
            held if held == limit.owner => {}
            held if held == limit.ceiling => hard.raised.set(true),
            held => return Err(hard.theirs(held)),
        }
        Ok(hard)
    }

    /// The two values.
    pub(super) const fn limit(&self) -> HardLimit {
        self.limit
    }

    /// Raises it where a limit needs that, after a look whether somebody else has set it. Never reclaims.
    ///
    /// # Errors
    /// The group is gone, the kernel refused, or somebody else has set it.
    pub(super) fn make_room(&self, limit: Amount) -> Result<(), LeverError> {
        if limit <= self.limit.slowed() {
            return Ok(());
        }
        self.replace(self.limit.owner, self.limit.ceiling)?;
        self.raised.set(true);
        Ok(())
    }

    /// Puts the owner's value back where `limit`, which holds, needs no more and `used` bytes leave room for it: nothing
    /// is reclaimed.
    ///
    /// # Errors
    /// As [`Hard::make_room`].
    pub(super) fn close(&self, limit: Amount, used: Amount) -> Result<(), LeverError> {
        let slowed = self.limit.slowed();
        if !self.raised.get() || limit > slowed || just_above(used) > slowed {
            return Ok(());
        }
        self.replace(self.limit.ceiling, self.limit.owner)?;
        self.raised.set(false);
        Ok(())
    }

    fn replace(&self, from: Amount, to: Amount) -> Result<(), LeverError> {
        match self.read()? {
            held if held == to => return Ok(()),
            held if held == from => {}
            held => return Err(self.theirs(held)),
        }
        let mut text = [0; TEXT];
        Kind::MemoryHigh
            .format(to, &mut text)
            .and_then(|length| self.file.write_at(&text[..length], 0))
            .map_err(|source| failed(&self.path, "pwrite", source))?;
        Ok(())
    }

    fn read(&self) -> Result<Amount, LeverError> {
        let mut text = [0; TEXT];
        let length = self
            .file
            .read_at(&mut text, 0)
            .map_err(|source| failed(&self.path, "pread", source))?;
        let held = limit(&text[..length]).map(Amount);
        held.ok_or_else(|| LeverError::Garbled {
            path: self.path.clone(),
        })
    }

    fn theirs(&self, held: Amount) -> LeverError {
        LeverError::Theirs {
            path: self.path.clone(),
            held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn hard(owner: u64, ceiling: u64) -> HardLimit {
        HardLimit::new(Amount(owner * MIB), Amount(ceiling * MIB)).unwrap()
    }

    #[test]
    fn growth_is_slowed_below_the_owners_limit() {
        for (owner, slowed) in [(8, 7), (64, 60), (1024, 992), (16 * 1024, 15 * 1024 + 512)] {
            assert_eq!(hard(owner, 1 << 20).slowed(), Amount(slowed * MIB));
        }
    }

    #[test]
    fn both_files_together_mean_a_limit() {
        let hard = hard(64, 256);
        for (high, max, limit) in [
            (60, 64, 60),
            (128, 256, 128),
            (512, 256, 256),
            // Somebody else's.
            (128, 64, 64),
            (60, 128, 128),
            (128, 40, 40),
        ] {
            let amount = |mib: u64| Amount(mib * MIB);
            assert_eq!(
                hard.limit(amount(high), amount(max)),
                amount(limit),
                "{high} {max}"
            );
        }
    }

    #[test]
    fn there_is_nothing_to_raise_without_room_above_the_owners_limit() {
        for (owner, ceiling) in [(64, 64), (64, 32)] {
            assert_eq!(HardLimit::new(Amount(owner), Amount(ceiling)), None);
        }
        assert_eq!(HardLimit::new(Amount::UNLIMITED, Amount::UNLIMITED), None);
    }
}
