//! What became of one workload, step by step: its use, what it held, its limits, what was done.

use super::call::{Call, Item, Key, Ticked};
use super::encoder::Unencodable;
use super::replay::Replay;
use crate::decide::{Outcome, Record, Settled, Verdict};
use crate::signal::{Amount, Nanos, Resource, Slot};
use std::collections::BTreeMap;

/// More steps than anybody asks for; where clocks have jumped, the oldest go.
const MOST: usize = 1024;

/// The workload at a path, in steps of the wall clock.
#[derive(Clone, Debug)]
pub struct History {
    path: String,
    step_ns: u64,
    steps: BTreeMap<u64, Step>,
    replay: Option<Replay>,
    slot: Option<Slot>,
    /// What has been done since the last tick.
    done: [Done; 2],
}

/// What is known of a workload in one step of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Its CPU; `None` where there was no word of it.
    pub cpu: Option<Figures>,
    /// Its memory, likewise.
    pub memory: Option<Figures>,
}

/// One resource of a workload over a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Time covered by the ticks that ended in the step.
    pub covered: Nanos,
    /// Use over all of it: amount times ns.
    used: u128,
    /// What was held for it over all of it: amount times ns.
    held: u128,
    /// The most that was used over one tick.
    pub most: Amount,
    /// The limit that the kernel held at the last tick.
    pub limit: Amount,
    /// Periods of CPU that were throttled.
    pub throttled: u64,
    /// Of how many.
    pub periods: u64,
    /// What was done about the limit.
    pub done: Done,
}

/// What was done about a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The fast loop lifted it.
    pub lifts: u64,
    /// The fast loop lifted nothing.
    pub refusals: u64,
    /// The slow loop decided to move it.
    pub decisions: u64,
    /// It was moved, by such a decision or since a loan was called in.
    pub moves: u64,
    /// Lifts and moves of which it was found in this step that they helped.
    pub helped: u64,
    /// Those that hurt.
    pub hurt: u64,
}

impl Figures {
    /// Mean use.
    #[must_use]
    pub fn used(&self) -> Amount {
        mean(self.used, self.covered)
    }

    /// Mean of what could not be promised to anybody else: what was set aside of its floor, and what it had been lent.
    #[must_use]
    pub fn held(&self) -> Amount {
        mean(self.held, self.covered)
    }
}

impl History {
    /// Nothing yet, of the workload at a path without a leading slash.
    #[must_use]
    pub fn new(path: &str, step_ns: u64) -> Self {
        Self {
            path: path.to_owned(),
            step_ns: step_ns.max(1),
            steps: BTreeMap::new(),
            replay: None,
            slot: None,
            done: Default::default(),
        }
    }

    /// Takes the next item of a recording; `wall` tells the wall clock, in ns since 1970, by which a
    /// tick belongs to a step, or `None` for a tick that nobody asks for.
    ///
    /// # Errors
    /// What came out cannot be encoded.
    pub fn hear(
        &mut self,
        item: Item,
        wall: impl FnOnce(Nanos) -> Option<u64>,
    ) -> Result<(), Unencodable> {
        match (item, &mut self.replay) {
            (Item::Key(key), _) => self.begin(*key),
            (Item::Call(call), Some(replay)) => {
                if let Call::Record(record) = &call
                    && let Some((slot, resource, done)) = done(record)
                    && Some(slot) == self.slot
                {
                    self.done[resource.index()].add(done);
                }
                let comes = matches!(&call, Call::Adopt { .. } | Call::Remove(_));
                replay.call(call)?;
                if comes {
                    self.slot = find(replay, &self.path);
                }
            }
            (Item::Tick(ticked), Some(replay)) => {
                let outcomes = replay.tick(&ticked).outcomes;
                if let Some(at) = wall(ticked.now) {
                    self.add(at, &ticked, &outcomes);
                }
                self.done = Default::default();
            }
            (_, None) => {}
        }
        Ok(())
    }

    /// The steps of which there is any word, by their beginning in ns since 1970.
    pub fn steps(&self) -> impl Iterator<Item = (u64, &Step)> {
        self.steps
            .iter()
            .map(|(number, step)| (number.saturating_mul(self.step_ns), step))
    }

    fn begin(&mut self, key: Key) {
        let replay = Replay::new(key);
        self.slot = find(&replay, &self.path);
        self.replay = Some(replay);
        self.done = Default::default();
    }

    fn add(&mut self, at: u64, ticked: &Ticked, outcomes: &[Outcome]) {
        let (Some(slot), Some(replay)) = (self.slot, &self.replay) else {
            return;
        };
        let snapshot = &ticked.snapshot;
        let Some(signals) = snapshot.workloads.iter().find(|one| one.slot == slot) else {
            return;
        };
        for decision in &ticked.decisions {
            if decision.slot == slot {
                self.done[decision.resource.index()].decisions += 1;
            }
        }
        for outcome in outcomes.iter().filter(|outcome| outcome.slot == slot) {
            let done = &mut self.done[outcome.resource.index()];
            done.helped += u64::from(outcome.verdict == Verdict::Helped);
            done.hurt += u64::from(outcome.verdict == Verdict::Hurt);
        }
        let step = self.steps.entry(at / self.step_ns).or_default();
        let held = |resource| held(replay, slot, resource);
        if let Some(cpu) = &signals.cpu {
            let figures = step.cpu.get_or_insert_default();
            figures.tick(snapshot.elapsed, cpu.used, held(Resource::Cpu), cpu.held);
            figures.throttled = figures.throttled.saturating_add(cpu.throttled);
            figures.periods = figures.periods.saturating_add(cpu.periods);
            figures.done.add(self.done[Resource::Cpu.index()]);
        }
        if let Some(memory) = &signals.memory {
            let figures = step.memory.get_or_insert_default();
            let held = held(Resource::Memory);
            figures.tick(snapshot.elapsed, memory.used, held, memory.held);
            figures.done.add(self.done[Resource::Memory.index()]);
        }
        if self.steps.len() > MOST {
            self.steps.pop_first();
        }
    }
}

impl Figures {
    fn tick(&mut self, elapsed: Nanos, used: Amount, held: Amount, limit: Amount) {
        let time = u128::from(elapsed.0);
        self.covered = self.covered.plus(elapsed);
        self.used = self.used.saturating_add(u128::from(used.0) * time);
        self.held = self.held.saturating_add(u128::from(held.0) * time);
        self.most = self.most.max(used);
        self.limit = limit;
    }
}

impl Done {
    const fn add(&mut self, other: Self) {
        self.lifts += other.lifts;
        self.refusals += other.refusals;
        self.decisions += other.decisions;
        self.moves += other.moves;
        self.helped += other.helped;
        self.hurt += other.hurt;
    }
}

fn find(replay: &Replay, path: &str) -> Option<Slot> {
    let mut origins = replay.origins.iter();
    let (slot, _) = origins.find(|(_, origin)| origin.path == path)?;
    Some(*slot)
}

/// What a record of the fast loop says, and of which limit.
fn done(record: &Record) -> Option<(Slot, Resource, Done)> {
    let none = Done::default();
    let moved = |settled: &Settled| {
        let moves = u64::from(settled.refusal.is_none());
        Some((settled.slot, settled.resource, Done { moves, ..none }))
    };
    match record {
        Record::Spend(spend) => {
            let lifts = u64::from(spend.denial.is_none());
            let done = Done {
                lifts,
                refusals: 1 - lifts,
                ..none
            };
            Some((spend.event.slot, spend.event.resource, done))
        }
        Record::Settled(settled) | Record::Recalled(settled) => moved(settled),
        Record::CalledIn(called) => moved(&called.settled),
        Record::Synced(_) => None,
    }
}

/// What is set aside of the floor, and what the limit has beyond it that its owner did not give.
fn held(replay: &Replay, slot: Slot, resource: Resource) -> Amount {
    let Some(view) = replay.engine.view(slot, resource) else {
        return Amount::ZERO;
    };
    let owned = view.own.map_or(view.adopted, |own| own.min(view.adopted));
    let own = view.floor.max(owned);
    let loan = if view.limit.is_unlimited() {
        Amount::ZERO
    } else {
        view.limit.minus(own)
    };
    replay.engine.set_aside(slot, resource).plus(loan)
}

fn mean(sum: u128, covered: Nanos) -> Amount {
    let mean = sum.checked_div(u128::from(covered.0)).unwrap_or_default();
    Amount(u64::try_from(mean).unwrap_or(u64::MAX))
}
