//! What happened and why: the bounded record behind `explain` and `watch`.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::broadcast;

use crate::api::view::{Entry, EntryKind, Outcome};

/// Entries kept for the whole node; the oldest go first.
const KEPT: usize = 8192;
/// Entries that a slow watcher may fall behind before it is told that it missed some.
const BACKLOG: usize = 1024;
/// The same denial of the same resource is written down once in this time; all are counted.
const REPEAT_NS: u64 = 1_000_000_000;

/// The journal of one agent.
#[derive(Debug)]
pub struct Journal {
    entries: VecDeque<Arc<Entry>>,
    seq: u64,
    /// The last denial written down, by path and resource.
    denials: HashMap<(String, Option<usize>), (String, u64)>,
    watchers: broadcast::Sender<Arc<Entry>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            seq: 0,
            denials: HashMap::new(),
            watchers: broadcast::Sender::new(BACKLOG),
        }
    }
}

impl Journal {
    /// Writes an entry down, gives it its place in the order, and shows it to every watcher.
    /// A denial that only repeats the last one is left out; returns whether it was written.
    pub fn push(&mut self, mut entry: Entry) -> bool {
        if entry.kind == EntryKind::Spend && self.repeats(&entry) {
            return false;
        }
        self.seq += 1;
        entry.seq = self.seq;
        let entry = Arc::new(entry);
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Arc::clone(&entry));
        // Nobody watching is no error.
        let _ = self.watchers.send(entry);
        true
    }

    /// Adds what became of a change to its entry, and shows that to every watcher once more. One that
    /// is not kept any more is too old to ask about.
    pub fn conclude(&mut self, seq: u64, outcome: &Outcome) {
        let place = self.entries.binary_search_by_key(&seq, |entry| entry.seq);
        let entry = place.ok().and_then(|place| self.entries.get_mut(place));
        if let Some(entry) = entry {
            Arc::make_mut(entry).outcome = Some(outcome.clone());
            let _ = self.watchers.send(Arc::clone(entry));
        }
    }

    fn repeats(&mut self, entry: &Entry) -> bool {
        let key = (
            entry.path.clone(),
            entry.resource.map(trimtab_core::signal::Resource::index),
        );
        let Some(denial) = &entry.denial else {
            self.denials.remove(&key);
            return false;
        };
        let (last, time) = self.denials.entry(key).or_default();
        if last == denial && entry.monotonic_ns.saturating_sub(*time) < REPEAT_NS {
            return true;
        }
        last.clone_from(denial);
        *time = entry.monotonic_ns;
        false
    }

    /// The last entries of one workload, given by name or path, oldest first.
    #[must_use]
    pub fn last(&self, workload: &str, count: usize) -> Vec<Arc<Entry>> {
        let mut last: Vec<_> = self
            .entries
            .iter()
            .rev()
            .filter(|entry| entry.path == workload || entry.workload == workload)
            .take(count)
            .cloned()
            .collect();
        last.reverse();
        last
    }

    /// Every entry from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.watchers.subscribe()
    }

    /// The newest entry's place in the order; 0 for none.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Forgets what only serves a workload that is there; its entries stay.
    pub fn forget(&mut self, path: &str) {
        self.denials.retain(|(of, _), _| of != path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(path: &str, denial: Option<&str>, ns: u64) -> Entry {
        Entry {
            kind: EntryKind::Spend,
            path: path.into(),
            workload: format!("name of {path}"),
            denial: denial.map(Into::into),
            monotonic_ns: ns,
            ..Entry::default()
        }
    }

    #[test]
    fn repeated_denials_are_written_once_a_second() {
        let mut journal = Journal::default();
        assert!(journal.push(denial("a", Some("ceiling"), 5)));
        assert!(!journal.push(denial("a", Some("ceiling"), 6)));
        assert!(journal.push(denial("b", Some("ceiling"), 6)));
        assert!(journal.push(denial("a", Some("rate"), 7)));
        assert!(journal.push(denial("a", None, 8)));
        assert!(journal.push(denial("a", Some("rate"), 9)));
        assert!(journal.push(denial("a", Some("rate"), 9 + REPEAT_NS)));
        assert_eq!(journal.seq(), 6);
    }

    #[test]
    fn the_last_entries_come_oldest_first_and_the_oldest_go() {
        let mut journal = Journal::default();
        for ns in 0..KEPT as u64 + 10 {
            journal.push(denial(if ns % 2 == 0 { "even" } else { "odd" }, None, ns));
        }
        let last = journal.last("name of odd", 2);
        assert_eq!(last.len(), 2);
        assert!(last[0].seq < last[1].seq);
        assert_eq!(journal.entries.len(), KEPT);
        assert_eq!(journal.last("even", usize::MAX).len(), KEPT / 2);
    }

    #[test]
    fn an_outcome_comes_to_its_entry_and_to_watchers() {
        let mut journal = Journal::default();
        for ns in 0..KEPT as u64 + 2 {
            journal.push(denial("a", None, ns));
        }
        let mut watcher = journal.subscribe();
        let outcome = Outcome {
            verdict: "helped".into(),
            ..Outcome::default()
        };
        journal.conclude(2, &outcome);
        assert!(watcher.try_recv().is_err(), "the entry has gone");
        journal.conclude(3, &outcome);
        let told = watcher.try_recv().unwrap();
        assert_eq!((told.seq, told.outcome.as_ref()), (3, Some(&outcome)));
        let kept = journal.last("a", KEPT);
        assert_eq!(kept[0].outcome.as_ref(), Some(&outcome));
        assert_eq!(kept[1].outcome, None);
    }

    #[test]
    fn watchers_see_what_comes() {
        let mut journal = Journal::default();
        let mut watcher = journal.subscribe();
        journal.push(denial("a", None, 1));
        assert_eq!(watcher.try_recv().unwrap().path, "a");
    }
}
