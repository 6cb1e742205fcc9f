//! What was done lately, and why.

use std::collections::VecDeque;

use crate::api::view::Entry;

/// How many entries are kept: more than the tallest terminal shows.
const KEPT: usize = 200;

/// The last entries of the journal.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(VecDeque<Entry>);

impl Changes {
    /// Adds one, or replaces it where it is known already.
    pub(super) fn add(&mut self, entry: Entry) {
        let place = self.0.binary_search_by_key(&entry.seq, |known| known.seq);
        match place {
            Ok(place) => self.0[place] = entry,
            Err(place) => self.0.insert(place, entry),
        }
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Another agent counts from the beginning.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_replaces_its_entry_and_the_oldest_go() {
        let entry = |seq, rule: &str| Entry {
            seq,
            rule: rule.into(),
            ..Entry::default()
        };
        let mut changes = Changes::default();
        for seq in 1..=KEPT as u64 + 2 {
            changes.add(entry(seq, "first"));
        }
        changes.add(entry(KEPT as u64, "second"));
        changes.add(entry(1, "too old"));
        let newest: Vec<_> = changes.newest().take(3).map(|entry| &*entry.rule).collect();
        assert_eq!(newest, ["first", "first", "second"]);
        assert_eq!(changes.newest().count(), KEPT);
        assert!(changes.newest().all(|entry| entry.seq > 2));
    }
}
