//! What another policy would have decided, decision by decision.

use super::call::{Call, Item, Key, Ticked};
use super::encoder::Unencodable;
use super::origins::Origin;
use super::replay::Replay;
use crate::decide::reason::Guard;
use crate::decide::{Bounds, Decision, Entitlement, Policy, Record, Rivalry, Settings, explain};
use crate::signal::{Amount, Nanos, Resource, Slot, Spend};
use serde::Serialize;
use std::collections::HashMap;

/// The rules that are to hold instead of the recorded ones. Modes stay as recorded: what was written
/// cannot be unwritten.
pub trait Rules {
    /// The engine's settings.
    fn settings(&self) -> Settings;

    /// How a workload's limits are to follow its need; `None` where the recorded rule stays.
    fn of(&self, origin: &Origin, adopted: [Amount; 2]) -> Option<Rule>;
}

/// What is to hold for one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How its limits follow its need.
    pub policy: Policy,
    /// How it stands among others when the node is full.
    pub entitlement: Entitlement,
    /// Between which values its limits may move.
    pub bounds: [Option<Bounds>; 2],
    /// Whether the kernel's weight alone shares CPU out: then there is nothing to decide about it.
    pub by_weight: bool,
}

/// What one side did about one limit at one tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stand {
    /// Where the limit was to go; `None` when it was to stay.
    pub to: Option<Amount>,
    /// Why, as a sentence.
    pub why: String,
}

/// A decision, or a lift, that only one side made, or made differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When.
    pub now: Nanos,
    /// Whose limit.
    pub slot: Slot,
    /// Its name.
    pub name: String,
    /// Of what.
    pub resource: Resource,
    /// Where the limit stood.
    pub from: Amount,
    /// What was decided.
    pub recorded: Stand,
    /// What would have been.
    pub changed: Stand,
}

/// The recorded engine and one with other rules, side by side on the same signals.
///
/// Both see what happened under the recorded rules: limits and use are those, and each difference is
/// what the other rules would have said at that moment. What would have become of the workload after
/// that is another question.
#[derive(Debug)]
pub struct Comparison<R> {
    rules: R,
    recorded: Replay,
    changed: Replay,
    /// What each limit's last difference was, to tell each once as long as it lasts.
    told: HashMap<(Slot, Resource), (Option<Amount>, Option<Amount>)>,
    /// Decisions and lifts that both have made.
    pub equal: u64,
    /// Differences that were told already.
    pub repeated: u64,
    /// Lifts of which nothing can be said.
    pub unknown: u64,
}

impl<R: Rules> Comparison<R> {
    /// Two engines as they were at a segment's beginning, one with other rules.
    #[must_use]
    pub fn new(rules: R, key: Key) -> Self {
        let recorded = Replay::new(key);
        let changed = changed(&rules, &recorded);
        Self {
            rules,
            recorded,
            changed,
            told: HashMap::new(),
            equal: 0,
            repeated: 0,
            unknown: 0,
        }
    }

    /// Replays one item on both sides, and says where they differ.
    ///
    /// # Errors
    /// What came out cannot be encoded.
    pub fn replay(&mut self, item: &Item) -> Result<Vec<Difference>, Unencodable> {
        match item {
            Item::Key(key) => {
                self.recorded.restart((**key).clone());
                self.changed = changed(&self.rules, &self.recorded);
                Ok(Vec::new())
            }
            Item::Call(call) => {
                let difference = match call {
                    Call::Record(Record::Spend(lift)) if lift.denial.is_none() => self.lift(lift),
                    _ => None,
                };
                let translated = self.translated(call.clone());
                self.recorded.call(call.clone())?;
                self.changed.call(translated)?;
                Ok(difference.into_iter().collect())
            }
            Item::Tick(ticked) => Ok(self.tick(ticked)),
        }
    }

    /// The path of a workload's group, with a leading slash; empty for one that is not known.
    #[must_use]
    pub fn path(&self, slot: Slot) -> String {
        let origin = self.recorded.origin(slot);
        origin.map_or_else(String::new, |origin| format!("/{}", origin.path))
    }

    /// A call as it would have been under the other rules.
    fn translated(&self, call: Call) -> Call {
        match call {
            Call::SetSettings(_) => Call::SetSettings(self.rules.settings()),
            Call::Adopt {
                slot,
                epoch,
                mut spec,
                origin,
            } => {
                if let Some(rule) = self.rules.of(&origin, spec.adopted) {
                    spec.policy = rule.policy;
                    spec.entitlement = rule.entitlement;
                    spec.bounds = managed(rule.bounds, spec.bounds);
                }
                Call::Adopt {
                    slot,
                    epoch,
                    spec,
                    origin,
                }
            }
            Call::Reconfigure {
                slot,
                policy,
                entitlement,
                bounds,
                name,
            } => {
                let adopted = adopted(&self.changed, slot);
                let origin = self.changed.origin(slot).map(|origin| Origin {
                    policy: name.clone(),
                    ..origin.clone()
                });
                let rule = origin.and_then(|origin| self.rules.of(&origin, adopted));
                let recorded = Rule {
                    policy,
                    entitlement,
                    bounds,
                    by_weight: false,
                };
                let rule = rule.unwrap_or(recorded);
                Call::Reconfigure {
                    slot,
                    policy: rule.policy,
                    entitlement: rule.entitlement,
                    bounds: managed(rule.bounds, bounds),
                    name,
                }
            }
            other => other,
        }
    }

    /// Asks the fast loop's law on both sides. Where even the recorded bounds do not lead to what was
    /// done, something else had a hand in it, and nothing can be said.
    fn lift(&mut self, lift: &Spend) -> Option<Difference> {
        let (slot, resource) = (lift.event.slot, lift.event.resource);
        let then = self.recorded.engine().again(lift);
        let now = self.changed.engine().again(lift);
        let Some(now) = now.filter(|_| then.is_some_and(|then| then.to == lift.to)) else {
            self.unknown += 1;
            return None;
        };
        if now.to == lift.to {
            self.equal += 1;
            return None;
        }
        let stand = |spend: &Spend| Stand {
            to: (spend.to != spend.from).then_some(spend.to),
            why: explain(spend).to_string(),
        };
        Some(Difference {
            now: lift.event.time,
            slot,
            name: self.name(slot),
            resource,
            from: lift.from,
            recorded: stand(lift),
            changed: stand(&now),
        })
    }

    fn name(&self, slot: Slot) -> String {
        let name = self.recorded.engine().name(slot);
        name.unwrap_or_default().to_owned()
    }

    fn tick(&mut self, ticked: &Ticked) -> Vec<Difference> {
        let then = self.recorded.tick(ticked).decisions;
        let now = self.changed.tick(ticked).decisions;
        let mut differences = Vec::new();
        let (mut then, mut now) = (then.iter().peekable(), now.iter().peekable());
        loop {
            // Both are sorted by slot and resource.
            let next = match (then.peek(), now.peek()) {
                (Some(a), Some(b)) => place(a).min(place(b)),
                (Some(one), None) | (None, Some(one)) => place(one),
                (None, None) => return differences,
            };
            let a = then.next_if(|decision| place(decision) == next);
            let b = now.next_if(|decision| place(decision) == next);
            differences.extend(self.difference(ticked.now, next, a, b));
        }
    }

    fn difference(
        &mut self,
        now: Nanos,
        place: (Slot, Resource),
        recorded: Option<&Decision>,
        changed: Option<&Decision>,
    ) -> Option<Difference> {
        let to = |decision: Option<&Decision>| decision.map(|decision| decision.to);
        let (slot, resource) = place;
        let goes = (to(recorded), to(changed));
        if goes.0 == goes.1 {
            self.equal += 1;
            self.told.remove(&place);
            return None;
        }
        if self.told.insert(place, goes) == Some(goes) {
            self.repeated += 1;
            return None;
        }
        Some(Difference {
            now,
            slot,
            name: self.name(slot),
            resource,
            from: recorded.or(changed)?.from,
            recorded: stand(&self.recorded, place, recorded),
            changed: stand(&self.changed, place, changed),
        })
    }
}

fn place(decision: &Decision) -> (Slot, Resource) {
    (decision.slot, decision.resource)
}

/// A copy with other rules.
fn changed<R: Rules>(rules: &R, recorded: &Replay) -> Replay {
    let mut changed = recorded.clone();
    changed.engine.set_settings(rules.settings());
    for (slot, origin) in recorded.origins.iter() {
        if let Some(rule) = rules.of(origin, adopted(recorded, *slot)) {
            changed
                .engine
                .reconfigure(*slot, rule.policy, rule.entitlement, rule.bounds);
        }
    }
    // The fast loop would have been told.
    let _ = changed.engine.updates();
    changed
}

/// What the owner of a workload had set.
fn adopted(replay: &Replay, slot: Slot) -> [Amount; 2] {
    Resource::ALL.map(|resource| {
        let view = replay.engine().view(slot, resource);
        view.map_or(Amount::UNLIMITED, |view| view.adopted)
    })
}

/// Other bounds, where the resource could be managed at all.
fn managed(wanted: [Option<Bounds>; 2], found: [Option<Bounds>; 2]) -> [Option<Bounds>; 2] {
    let [cpu, memory] = wanted;
    [found[0].and(cpu), found[1].and(memory)]
}

/// That others go first, and who.
fn held_back(replay: &Replay, slot: Slot, behind: Option<Slot>) -> String {
    let engine = replay.engine();
    let standing = |slot| Some((engine.name(slot)?, engine.entitlement(slot)?));
    let Some(((name, theirs), (_, ours))) = behind.and_then(standing).zip(standing(slot)) else {
        return format!("it stays, held back: {}", Guard::Rival);
    };
    format!("it stays, held back: {}", Rivalry { name, theirs, ours })
}

/// What a side says for itself.
fn stand(replay: &Replay, (slot, resource): (Slot, Resource), made: Option<&Decision>) -> Stand {
    if let Some(decision) = made {
        return Stand {
            to: Some(decision.to),
            why: decision.reason.to_string(),
        };
    }
    let why = match replay.engine().view(slot, resource) {
        None => "it is not managed".to_owned(),
        Some(view) => match view.held_back {
            Some(Guard::Rival) => held_back(replay, slot, view.behind),
            Some(guard) => format!("it stays, held back: {guard}"),
            None => "it stays: the policy proposes nothing, or waits for the last order".to_owned(),
        },
    };
    Stand { to: None, why }
}
