//! Nothing that was counted is lost or told twice, whoever is told by name.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use trimtab_core::signal::{Amount, Nanos};

use super::waits;
use crate::report::{Accounts, Candidate, Count, Totals, Waits};

const CAPACITY: [Amount; 2] = [Amount(4_000_000), Amount(8 << 30)];
const PATHS: usize = 7;

#[derive(Clone, Debug)]
enum Step {
    /// A workload begins, if it is not there.
    Begin(usize),
    /// It runs for so many ns, and waits as long, so often.
    Work(usize, u64, u64),
    /// It holds so much memory.
    Hold(usize, u64),
    /// Who it is becomes known.
    Rename(usize),
    /// It ends.
    End(usize),
    /// It is taken up anew at once.
    Again(usize),
    /// From now on the kernel does not tell of it, or does so again.
    Hide(usize),
    /// So many may have names.
    Room(usize),
    /// Somebody asks.
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = || 0..PATHS;
    let step = prop_oneof![
        2 => path().prop_map(Step::Begin),
        6 => (path(), 0..4_000_000_000_u64, 0..5_u64)
            .prop_map(|(path, ns, waits)| Step::Work(path, ns, waits)),
        1 => (path(), 0..8_u64 << 30).prop_map(|(path, bytes)| Step::Hold(path, bytes)),
        1 => path().prop_map(Step::Rename),
        1 => path().prop_map(Step::End),
        1 => path().prop_map(Step::Again),
        2 => path().prop_map(Step::Hide),
        1 => (0..4_usize).prop_map(Step::Room),
        4 => Just(Step::Collect),
    ];
    prop::collection::vec(step, 1..120)
}

/// A workload that is there.
#[derive(Clone, Debug, Default)]
struct One {
    totals: Totals,
    memory: u64,
    name: String,
    /// Whether what the kernel counts of it cannot be read.
    hidden: bool,
}

impl One {
    /// What can be read of it.
    fn read(&self) -> Totals {
        if !self.hidden {
            return self.totals.clone();
        }
        // What the agent itself counts is known whatever the kernel says.
        let mut totals = Totals::default();
        if let Some(lifts) = self.totals.get(Count::Lifts) {
            totals.set(Count::Lifts, lifts);
        }
        totals
    }
}

/// The workloads, what they have done in all, and every series that anybody was ever told.
#[derive(Default)]
struct World {
    here: BTreeMap<usize, One>,
    done: Totals,
    /// By path, name, and how often the path had been away when somebody asked.
    series: BTreeMap<(usize, String, u64), Totals>,
    away: BTreeMap<usize, u64>,
    names: u64,
    others: Totals,
}

fn path(place: usize) -> Arc<str> {
    format!("group-{place}").into()
}

/// Whether no number of `now` is below that of `before`.
fn has_not_fallen(before: &Totals, now: &Totals) -> bool {
    let mut sum = before.clone();
    // Where anything has fallen, `since` takes all of it.
    sum.add(&now.since(before));
    sum == *now
}

impl World {
    fn begin(&mut self, place: usize) {
        self.names += 1;
        let name = format!("name-{}", self.names);
        let one = One {
            name,
            ..One::default()
        };
        self.here.entry(place).or_insert(one);
    }

    fn step(
        &mut self,
        accounts: &mut Accounts,
        now: Nanos,
        step: &Step,
    ) -> Result<(), TestCaseError> {
        match *step {
            Step::Begin(place) => self.begin(place),
            Step::Work(place, ns, count) => {
                if let Some(one) = self.here.get_mut(&place) {
                    let mut came = Totals::default();
                    came.set(Count::CpuTime, ns);
                    came.set(Count::Lifts, count);
                    came.set_histogram(Waits::Behind, waits(count, ns));
                    one.totals.add(&came);
                    self.done.add(&came);
                }
            }
            Step::Hold(place, bytes) => {
                if let Some(one) = self.here.get_mut(&place) {
                    one.memory = bytes;
                }
            }
            Step::Rename(place) => {
                self.names += 1;
                if let Some(one) = self.here.get_mut(&place) {
                    one.name = format!("name-{}", self.names);
                }
            }
            Step::End(place) => {
                if let Some(one) = self.here.remove(&place) {
                    accounts.close(&path(place), &one.totals);
                }
            }
            Step::Again(place) => {
                if let Some(one) = self.here.get_mut(&place) {
                    accounts.close(&path(place), &one.totals);
                    one.totals = Totals::default();
                }
            }
            Step::Hide(place) => {
                if let Some(one) = self.here.get_mut(&place) {
                    one.hidden = !one.hidden;
                }
            }
            Step::Room(room) => accounts.set_room(room),
            Step::Collect => self.collect(accounts, now)?,
        }
        Ok(())
    }

    fn collect(&mut self, accounts: &mut Accounts, now: Nanos) -> Result<(), TestCaseError> {
        let here: Vec<_> = self.here.iter().collect();
        let candidates: Vec<_> = here
            .iter()
            .map(|(place, one)| Candidate {
                path: path(**place),
                name: &one.name,
                totals: one.read(),
                memory: one.memory,
            })
            .collect();
        let named = accounts.collect(now, CAPACITY, &candidates);
        prop_assert_eq!(named.len(), accounts.room().min(here.len()));
        for place in named {
            let (number, one) = here[place];
            let own = accounts.own(&path(*number)).cloned().unwrap_or_default();
            let away = self.away.get(number).copied().unwrap_or_default();
            let series = self
                .series
                .entry((*number, one.name.clone(), away))
                .or_default();
            prop_assert!(has_not_fallen(series, &own), "{:?} to {:?}", series, own);
            *series = own;
        }
        prop_assert!(has_not_fallen(&self.others, accounts.others()));
        self.others = accounts.others().clone();
        let mut told = self.others.clone();
        for series in self.series.values() {
            told.add(series);
        }
        if self.here.values().any(|one| one.hidden) {
            prop_assert!(
                has_not_fallen(&told, &self.done),
                "{:?} of {:?}",
                told,
                self.done
            );
        } else {
            prop_assert_eq!(&told, &self.done);
        }
        prop_assert_eq!(accounts.len(), here.len());
        for place in 0..PATHS {
            if !self.here.contains_key(&place) {
                *self.away.entry(place).or_default() += 1;
            }
        }
        Ok(())
    }
}

proptest! {
    /// Every count is in exactly one series once it can be read, none of them falls, and what is remembered is
    /// bounded by the workloads that are there.
    #[test]
    fn nothing_is_lost_or_told_twice(room in 0..4_usize, steps in steps()) {
        let mut accounts = Accounts::new(room, Nanos(0));
        let mut world = World::default();
        let mut now = Nanos(0);
        for step in &steps {
            now = now.plus(Nanos::SECOND);
            world.step(&mut accounts, now, step)?;
        }
        for one in world.here.values_mut() {
            one.hidden = false;
        }
        world.collect(&mut accounts, now.plus(Nanos::SECOND))?;
    }
}

/// A workload that has run and was throttled for so many seconds of CPU in all, and holds memory.
fn candidate(path: &str, ran: u64, throttled: u64, memory: u64) -> Candidate<'static> {
    let mut totals = Totals::default();
    totals.set(Count::CpuTime, ran * Nanos::SECOND.0);
    totals.set(Count::Throttled, throttled * Nanos::SECOND.0);
    Candidate {
        path: path.into(),
        name: "one",
        totals,
        memory,
    }
}

#[test]
fn names_go_to_those_who_need_most() {
    let second = |seconds| Nanos(seconds * Nanos::SECOND.0);
    let mut accounts = Accounts::new(2, Nanos(0));
    let mut all = [
        candidate("runs", 5, 0, 0),
        candidate("is-throttled", 1, 9, 0),
        candidate("is-idle", 0, 0, 0),
        // A quarter of the memory is more than an eighth of the CPUs.
        candidate("holds", 0, 0, 2 << 30),
    ];
    assert_eq!(accounts.collect(second(10), CAPACITY, &all), [1, 3]);
    // As much as those who have a name is no reason for a series to end, though one of them rests ...
    all[0] = candidate("runs", 15, 0, 0);
    assert_eq!(accounts.collect(second(20), CAPACITY, &all), [1, 3]);
    // ... and three times as much is.
    all[0] = candidate("runs", 45, 0, 0);
    assert_eq!(accounts.collect(second(30), CAPACITY, &all), [0, 3]);
    // What was an hour ago counts for little.
    all[2] = candidate("is-idle", 2_016, 0, 0);
    assert_eq!(accounts.collect(second(3_630), CAPACITY, &all), [2, 3]);
}

#[test]
fn what_cannot_be_read_for_a_while_is_neither_forgotten_nor_told_twice() {
    let mut accounts = Accounts::new(1, Nanos(0));
    let mut all = [candidate("a", 3, 0, 0)];
    all[0].totals.set_histogram(Waits::Behind, waits(4, 1_000));
    let whole = all[0].totals.clone();
    accounts.collect(Nanos::SECOND, CAPACITY, &all);
    for (second, totals) in [(2, Totals::default()), (3, whole.clone())] {
        all[0].totals = totals;
        accounts.collect(Nanos(second * Nanos::SECOND.0), CAPACITY, &all);
        assert_eq!(accounts.own("a"), Some(&whole), "after {second} s");
    }
}

#[test]
fn those_who_do_nothing_keep_what_they_have() {
    let mut accounts = Accounts::new(1, Nanos(0));
    let all = [candidate("a", 0, 0, 0), candidate("b", 0, 0, 0)];
    let busy = [candidate("a", 0, 0, 0), candidate("b", 1, 0, 0)];
    assert_eq!(accounts.collect(Nanos::SECOND, CAPACITY, &all), [0]);
    assert_eq!(
        accounts.collect(Nanos(2 * Nanos::SECOND.0), CAPACITY, &busy),
        [1]
    );
    assert_eq!(
        accounts.collect(Nanos(3 * Nanos::SECOND.0), CAPACITY, &busy),
        [1]
    );
}
