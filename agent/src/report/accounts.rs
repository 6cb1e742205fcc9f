//! Which workloads are told by name, and whose account each count goes to.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use trimtab_core::signal::{Amount, Nanos};

use super::totals::{Count, Totals, Waits};

/// How many times as much a workload must need as one that has a place by name, to take that place.
const ADVANTAGE: u64 = 2;
/// In this time, what a workload needed fades to a third of it or a half, by how often somebody asks.
const FADES: Nanos = Nanos(5 * Nanos::MINUTE.0);
/// Shares of the node are in parts of this.
const WHOLE: u64 = 1_000_000;

/// The accounts of all workloads.
///
/// Every count goes to exactly one account: to the workload's own when it is told by name at that collection, else to
/// the common one of the others. So no account ever falls: one that gives up its name leaves its series where it
/// stands and goes on from there if it gets the name back, and one that ends leaves what it had in the common
/// account. And the sum of all series that ever were is the sum of what was counted.
///
/// A name goes to those that need most of the node: CPU used, plus time throttled and time waited for a CPU, since a
/// workload that is held back uses little and is what one looks for; or memory held; whichever is the larger
/// share. What was needed before fades within minutes, and who has a name keeps it unless another needs twice as
/// much, so that series do not come and go with every burst.
#[derive(Debug)]
pub struct Accounts {
    /// How many may have a name.
    room: usize,
    known: HashMap<Arc<str>, Account>,
    others: Totals,
    /// When was the last collection.
    collected: Nanos,
}

/// What is known of one workload.
#[derive(Debug, Default)]
struct Account {
    /// What has been counted somewhere.
    last: Totals,
    /// What has been counted under its own name.
    own: Totals,
    /// That name: with another one, a series begins anew.
    name: String,
    /// Whether it is told by name now.
    named: bool,
    /// What share of the node it has needed lately, in parts of [`WHOLE`].
    need: u64,
    /// Whether it has ended since the last collection.
    ended: bool,
}

/// A workload at a collection.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// Its path, which tells it from all others.
    pub path: Arc<str>,
    /// What people call it.
    pub name: &'a str,
    /// What was counted since its adoption.
    pub totals: Totals,
    /// The memory that it holds, in bytes.
    pub memory: u64,
}

impl Accounts {
    /// Accounts of which so many have names; counting began at `now`.
    #[must_use]
    pub fn new(room: usize, now: Nanos) -> Self {
        Self {
            room,
            known: HashMap::new(),
            others: Totals::default(),
            collected: now,
        }
    }

    /// From the next collection on, so many have names.
    pub const fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// A workload ends: what nobody was told yet goes to the others.
    pub fn close(&mut self, path: &str, totals: &Totals) {
        let Some(account) = self.known.get_mut(path) else {
            self.others.add(totals);
            return;
        };
        self.others.add(&totals.since(&account.last));
        // Should a group of this path be taken up before the next collection, as after a change of its
        // mode or the restart of a service, its counters go on.
        account.last = Totals::default();
        account.ended = true;
    }

    /// Takes in what was counted by now, and says which workloads are told by name, as places in
    /// `candidates`, ascending. `capacity` is the node's, in micro-CPUs and bytes.
    pub fn collect(
        &mut self,
        now: Nanos,
        capacity: [Amount; 2],
        candidates: &[Candidate<'_>],
    ) -> Vec<usize> {
        let elapsed = now.since(std::mem::replace(&mut self.collected, now));
        let mut came = Vec::with_capacity(candidates.len());
        let mut ranks = Vec::with_capacity(candidates.len());
        for (place, candidate) in candidates.iter().enumerate() {
            let was_known = self.known.contains_key(&candidate.path);
            let account = self.known.entry(candidate.path.clone()).or_default();
            account.ended = false;
            let since = candidate.totals.since(&account.last);
            account.last.update(&candidate.totals);
            let need = need(&since, elapsed, candidate.memory, capacity);
            account.need = need.max(faded(account.need, elapsed));
            let advantage = if account.named { ADVANTAGE } else { 1 };
            let rank = account.need * advantage;
            ranks.push((Reverse(rank), !account.named, &candidate.path, place));
            came.push((since, was_known));
        }
        ranks.sort_unstable();
        let first = ranks.iter().take(self.room);
        let named: HashSet<usize> = first.map(|(.., place)| *place).collect();
        for (place, (candidate, (since, was_known))) in candidates.iter().zip(&came).enumerate() {
            let Some(account) = self.known.get_mut(&candidate.path) else {
                continue;
            };
            // Of a series that begins now a monitoring system sees only what comes after its first value.
            let goes_on = account.named && account.name == candidate.name;
            account.named = named.contains(&place);
            if account.named {
                let own = account.own_under(candidate.name);
                let counts = if goes_on || !was_known {
                    own
                } else {
                    &mut self.others
                };
                counts.add(since);
            } else {
                self.others.add(since);
            }
        }
        let here: HashSet<_> = candidates.iter().map(|one| &one.path).collect();
        self.known
            .retain(|path, account| !account.ended && here.contains(path));
        let mut named: Vec<_> = named.into_iter().collect();
        named.sort_unstable();
        named
    }

    /// What was counted under a workload's own name.
    #[must_use]
    pub fn own(&self, path: &str) -> Option<&Totals> {
        Some(&self.known.get(path)?.own)
    }

    /// How many may have a name.
    #[cfg(test)]
    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// How many workloads are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What was counted of all that had no name then.
    #[must_use]
    pub const fn others(&self) -> &Totals {
        &self.others
    }
}

impl Account {
    /// What has been counted under a name: nothing if it had another one before.
    fn own_under(&mut self, name: &str) -> &mut Totals {
        if self.name != name {
            name.clone_into(&mut self.name);
            self.own = Totals::default();
        }
        &mut self.own
    }
}

/// The larger share of the node that a workload needs, in parts of [`WHOLE`].
fn need(since: &Totals, elapsed: Nanos, memory: u64, [cpu, total]: [Amount; 2]) -> u64 {
    let behind = since.histogram(Waits::Behind);
    let wanted = [
        since.get(Count::CpuTime).unwrap_or_default(),
        since.get(Count::Throttled).unwrap_or_default(),
        behind.map_or(0, |waits| waits.sum_ns),
    ];
    let wanted: u128 = wanted.map(u128::from).iter().sum();
    // Nanoseconds in a second and micro-CPUs in a CPU cancel out up to this.
    let all = u128::from(elapsed.0.max(1)) * u128::from(cpu.0.max(1)) / u128::from(WHOLE);
    let cpu = wanted * u128::from(WHOLE) / all.max(1);
    let memory = u128::from(memory) * u128::from(WHOLE) / u128::from(total.0.max(1));
    u64::try_from(cpu.max(memory))
        .map_or(u64::MAX / ADVANTAGE, |need| need.min(u64::MAX / ADVANTAGE))
}

/// What is left of an old need.
fn faded(need: u64, elapsed: Nanos) -> u64 {
    let left = u128::from(need) * u128::from(FADES.0) / u128::from(FADES.plus(elapsed).0);
    u64::try_from(left).unwrap_or(need)
}
