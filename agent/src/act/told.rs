//! What units were told, which systemd may write again at any time: kept beside the marks.

use trimtab_core::signal::Amount;

use super::entry::{Entry, Key, UnitValue};
use super::ledger::{Ledger, LedgerError, failed};
use super::marks::Echo;

impl Ledger {
    /// Gives a property that is to be kept its record: the `old` one, else a free one, emptied. An old one is to be
    /// emptied by [`Ledger::nothing_told`], once that is kept, if it is of another original; then it is returned.
    pub(super) fn tell_apart(
        &self,
        unit: &mut UnitValue,
        old: Option<UnitValue>,
        free: impl FnOnce() -> Option<u32>,
    ) -> Result<Option<u32>, LedgerError> {
        if self.marks.is_none() {
            return Ok(None);
        }
        let same = old.as_ref().is_none_or(|old| old.value == unit.value);
        unit.told = old.and_then(|old| old.told);
        if unit.told.is_some() {
            // A lever may still listen to it, so nobody else gets it.
            return Ok(unit.told.filter(|_| !same));
        }
        unit.told = free();
        // Whoever had the record before was told something else.
        self.nothing_told(unit.told).map(|()| None)
    }

    /// Empties records.
    pub(super) fn nothing_told(
        &self,
        records: impl IntoIterator<Item = u32>,
    ) -> Result<(), LedgerError> {
        let Some(marks) = &self.marks else {
            return Ok(());
        };
        records
            .into_iter()
            .try_for_each(|index| marks.set(index, Amount::ZERO))
            .map_err(failed(&self.dir.join("marks"), "write"))
    }

    /// The reading end of what a unit was told for a limit that a lever moves; until anything is told,
    /// it has its original.
    ///
    /// # Errors
    /// The mark could not be written.
    pub fn echo(&self, key: &Key) -> Result<Option<Echo>, LedgerError> {
        let unit = self.get(key).and_then(|entry| entry.unit.as_ref());
        let (Some(marks), Some(unit)) = (&self.marks, unit) else {
            return Ok(None);
        };
        let Some(index) = unit.told else {
            return Ok(None);
        };
        if marks.get(index).is_none() {
            marks
                .set(index, Amount(unit.value))
                .map_err(failed(&self.dir.join("marks"), "write"))?;
        }
        Ok(Some(marks.echo(index)))
    }

    /// Notes, so that it survives a crash, that a unit which holds the value `before` for a file is about to
    /// be told another one.
    ///
    /// # Errors
    /// The mark could not be written; then the unit must not be told either.
    pub fn about_to_tell(&self, key: &Key, before: u64, value: u64) -> Result<(), LedgerError> {
        let (Some(marks), Some(index)) = (&self.marks, self.get(key).and_then(Entry::told)) else {
            return Ok(());
        };
        let (before, value) = (Amount(before), Amount(value));
        let noted = match marks.get(index) {
            Some(_) => Ok(()),
            // That makes room for it, too.
            None => marks.set(index, before),
        };
        noted
            .and_then(|()| marks.mark(index, before).about_to_write(value))
            .map_err(failed(&self.dir.join("marks"), "write"))
    }

    /// What we have told a unit for a file: the value before and the last one; nothing if it was told nothing,
    /// and `None` where that is not known.
    #[must_use]
    pub fn told(&self, entry: &Entry) -> Option<Vec<u64>> {
        let told = self.marks.as_ref()?.get(entry.told()?);
        let told = told.map(|told| told.map(|amount| amount.0).to_vec());
        Some(told.unwrap_or_default())
    }
}
