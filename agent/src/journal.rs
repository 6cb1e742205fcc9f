//! What happened and why: the bounded record behind `explain` and `watch`.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use prost::Message as _;
use tokio::sync::broadcast;

use crate::api::{
    proto,
    view::{Entry, EntryKind, Outcome},
};

/// Bytes of entries kept for the whole node; the oldest go first.
const KEPT: usize = 1 << 20;
/// Entries that a slow watcher may fall behind before it is told that it missed some.
const BACKLOG: usize = 1024;
/// The same denial of the same resource is written down once in this time; all are counted.
const REPEAT_NS: u64 = 1_000_000_000;

/// The journal of one agent.
#[derive(Debug)]
pub struct Journal {
    entries: VecDeque<Kept>,
    /// How long all of them are.
    bytes: usize,
    seq: u64,
    /// The last denial written down, by path and resource.
    denials: HashMap<(String, Option<usize>), (String, u64)>,
    watchers: broadcast::Sender<Arc<Entry>>,
}

/// An entry as it goes over the socket: in one piece, where its texts would each be one.
#[derive(Debug)]
struct Kept {
    seq: u64,
    /// Of its path and its name, so that few of others' have to be decoded.
    hashes: [u32; 2],
    message: Box<[u8]>,
}

impl Kept {
    fn of(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            hashes: [&entry.path, &entry.workload].map(|text| hash(text)),
            message: proto::Entry::from(entry).encode_to_vec().into(),
        }
    }

    fn entry(&self) -> Option<Entry> {
        let message = proto::Entry::decode(&*self.message).ok()?;
        Entry::try_from(message).ok()
    }
}

fn hash(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
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
        self.show(&entry);
        let kept = Kept::of(entry);
        self.bytes += kept.message.len();
        self.entries.push_back(kept);
        self.make_room();
        true
    }

    /// Adds what became of a change to its entry, and shows that to every watcher once more. One that
    /// is not kept any more is too old to ask about.
    pub fn conclude(&mut self, seq: u64, outcome: &Outcome) {
        let place = self.entries.binary_search_by_key(&seq, |kept| kept.seq);
        let kept = place.ok().and_then(|place| self.entries.get_mut(place));
        let Some((kept, mut entry)) = kept.and_then(|kept| kept.entry().map(|entry| (kept, entry)))
        else {
            return;
        };
        entry.outcome = Some(outcome.clone());
        let concluded = Kept::of(entry.clone());
        self.bytes += concluded.message.len();
        self.bytes -= kept.message.len();
        *kept = concluded;
        self.make_room();
        self.show(&entry);
    }

    /// To every watcher.
    fn show(&self, entry: &Entry) {
        if self.watchers.receiver_count() > 0 {
            // The last of them may go at any time.
            let _ = self.watchers.send(Arc::new(entry.clone()));
        }
    }

    fn make_room(&mut self) {
        while self.bytes > KEPT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.message.len();
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

    /// The last entries of one workload, given by name or path, or of all when it is empty, oldest first.
    #[must_use]
    pub fn last(&self, workload: &str, count: usize) -> Vec<Entry> {
        let hash = hash(workload);
        let kept = self.entries.iter().rev();
        let kept = kept.filter(|kept| workload.is_empty() || kept.hashes.contains(&hash));
        let mut last: Vec<_> = kept
            .filter_map(Kept::entry)
            .filter(|entry| {
                workload.is_empty() || entry.path == workload || entry.workload == workload
            })
            .take(count)
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
        let pushed = 40_000;
        for ns in 0..pushed {
            journal.push(denial(if ns % 2 == 0 { "even" } else { "odd" }, None, ns));
        }
        let last = journal.last("name of odd", 2);
        assert_eq!(last.len(), 2);
        assert_eq!(last[0].seq + 2, last[1].seq);
        assert_eq!(last[1].seq, pushed);
        let all = journal.last("", 2);
        assert_eq!((all[0].seq, all[1].seq), (pushed - 1, pushed));
        let even = journal.last("even", usize::MAX).len() as u64;
        assert!(even < pushed / 2, "{even} are kept");
        assert!(journal.bytes <= KEPT && journal.bytes > KEPT - 1_000);
        let summed: usize = journal.entries.iter().map(|kept| kept.message.len()).sum();
        assert_eq!(summed, journal.bytes);
    }

    #[test]
    fn an_outcome_comes_to_its_entry_and_to_watchers() {
        let mut journal = Journal::default();
        while journal.seq < 1_000 || journal.entries[0].seq < 3 {
            journal.push(denial("a", None, journal.seq));
        }
        let mut watcher = journal.subscribe();
        let outcome = Outcome {
            verdict: "helped".into(),
            ..Outcome::default()
        };
        journal.conclude(2, &outcome);
        assert!(watcher.try_recv().is_err(), "the entry has gone");
        let seq = journal.seq - 1;
        journal.conclude(seq, &outcome);
        let told = watcher.try_recv().unwrap();
        assert_eq!((told.seq, told.outcome.as_ref()), (seq, Some(&outcome)));
        let kept = journal.last("a", 2);
        assert_eq!(kept[0], *told);
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
