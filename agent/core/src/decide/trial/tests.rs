//! Laws of trials, whatever the workload does.

use super::outcome::{Ground, Verdict};
use super::signals::{Seen, WINDOW};
use super::trials::{By, Change, Trials};
use crate::decide::reason::Rule;
use crate::signal::{Amount, Nanos, Resource};
use crate::snapshot::CpuSignals;
use proptest::prelude::*;

const SECOND: u64 = Nanos::SECOND.0;

/// What may happen in a second.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Nothing but use and throttled periods of ten.
    Tick(u64, u64),
    /// A change of the limit, and by whom.
    Change(u64, By),
    /// Somebody else's write.
    Foreign,
}

fn step() -> impl Strategy<Value = Step> {
    let by = prop_oneof![
        any::<bool>().prop_map(|warned| By::Lift { warned }),
        Just(By::Order(Some(Rule::Raise))),
        Just(By::Order(Some(Rule::Trim))),
        Just(By::Order(Some(Rule::Share))),
        Just(By::Order(None)),
    ];
    let throttled = prop_oneof![3 => Just(0_u64), 1 => 0..=10_u64];
    prop_oneof![
        12 => (0..2_000_000_u64, throttled).prop_map(|(used, throttled)| Step::Tick(used, throttled)),
        2 => (10_000..2_000_000_u64, by).prop_map(|(to, by)| Step::Change(to, by)),
        1 => Just(Step::Foreign),
    ]
}

/// One limit, its trials, and what has been ordered so far.
struct Life {
    trials: Trials,
    second: u64,
    limit: u64,
    seq: u64,
}

impl Life {
    fn new() -> Self {
        Self {
            trials: Trials::new(Resource::Cpu),
            second: 0,
            limit: 1_000_000,
            seq: 0,
        }
    }

    fn now(&self) -> Nanos {
        Nanos(self.second * SECOND)
    }

    fn tick(&mut self, used: u64, throttled: u64) {
        self.second += 1;
        let cpu = CpuSignals {
            used: Amount(used),
            period_us: 100_000,
            periods: 10,
            throttled,
            ..CpuSignals::default()
        };
        let now = self.now();
        self.trials.push(now, &Seen::cpu(now, Nanos::SECOND, &cpu));
    }

    fn change(&mut self, to: u64, by: By) {
        // A lift goes nowhere but up.
        let lifts = matches!(by, By::Lift { .. });
        let to = if lifts { to.max(self.limit) } else { to };
        self.seq += 1;
        let (at, from) = (self.now(), std::mem::replace(&mut self.limit, to));
        if from != to {
            self.trials.open(Change {
                at,
                seq: Some(self.seq),
                from: Amount(from),
                to: Amount(to),
                by,
            });
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Tick(used, throttled) => self.tick(used, throttled),
            Step::Change(to, by) => self.change(to, by),
            Step::Foreign => self.trials.abandon(),
        }
    }

    fn verdicts(&self) -> Vec<(Verdict, Ground)> {
        let closed = self.trials.closed.iter();
        closed.map(|one| (one.verdict, one.ground)).collect()
    }
}

#[test]
fn what_is_kept_does_not_grow() {
    // Two of them a workload, and no more than one verdict to a tick.
    assert!(size_of::<Trials>() <= 768, "{}", size_of::<Trials>());
}

/// Ten seconds before, a change, and ten seconds after.
fn around(before: (u64, u64), to: u64, by: By, after: (u64, u64)) -> Vec<(Verdict, Ground)> {
    let mut life = Life::new();
    for _ in 0..WINDOW {
        life.tick(before.0, before.1);
    }
    life.change(to, by);
    for _ in 0..WINDOW {
        life.tick(after.0, after.1);
    }
    life.verdicts()
}

#[test]
fn verdicts() {
    use Ground::{Beyond, Calm, Eased, Load, Same, Shorter};
    use Verdict::{CannotTell, Helped, Hurt, NoDifference};
    let raise = By::Order(Some(Rule::Raise));
    let share = By::Order(Some(Rule::Share));
    let busy = 1_000_000;
    // Use, throttled periods of ten: before, the limit after, use and throttled periods after.
    let table = [
        (
            (busy, 8),
            2_000_000,
            raise,
            (1_600_000, 0),
            (Helped, Beyond),
        ),
        ((busy, 8), 2_000_000, raise, (1_050_000, 0), (Helped, Eased)),
        (
            (busy, 8),
            2_000_000,
            raise,
            (200_000, 0),
            (CannotTell, Load),
        ),
        ((busy, 8), 2_000_000, raise, (busy, 8), (NoDifference, Same)),
        ((busy, 2), 2_000_000, raise, (busy, 8), (CannotTell, Load)),
        (
            (400_000, 0),
            2_000_000,
            raise,
            (400_000, 0),
            (CannotTell, Calm),
        ),
        (
            (400_000, 0),
            500_000,
            share,
            (400_000, 0),
            (NoDifference, Calm),
        ),
        (
            (400_000, 0),
            500_000,
            share,
            (100_000, 0),
            (CannotTell, Load),
        ),
        ((400_000, 0), 300_000, share, (300_000, 9), (Hurt, Shorter)),
        (
            (busy, 9),
            500_000,
            share,
            (500_000, 9),
            (NoDifference, Same),
        ),
        ((busy, 9), 500_000, share, (100_000, 0), (CannotTell, Load)),
    ];
    for (before, to, by, after, expected) in table {
        let found = around(before, to, by, after);
        assert_eq!(found, [expected], "{before:?} -> {to} -> {after:?}");
    }
}

#[test]
fn a_period_more_in_a_tick_is_no_use_beyond_the_limit() {
    let raise = By::Order(Some(Rule::Raise));
    let calm = [(Verdict::CannotTell, Ground::Calm)];
    assert_eq!(around((900_000, 0), 2_000_000, raise, (1_160_000, 0)), calm);
    let helped = [(Verdict::Helped, Ground::Beyond)];
    assert_eq!(
        around((900_000, 0), 2_000_000, raise, (1_170_000, 0)),
        helped
    );
}

#[test]
fn too_few_ticks_say_nothing() {
    let mut life = Life::new();
    for _ in 0..4 {
        life.tick(1_000_000, 8);
    }
    life.change(2_000_000, By::Order(Some(Rule::Raise)));
    for _ in 0..WINDOW {
        life.tick(1_000_000, 0);
    }
    assert_eq!(life.verdicts(), [(Verdict::CannotTell, Ground::Few)]);
}

#[test]
fn a_trim_is_judged_by_who_lifts_it_again() {
    let trim = By::Order(Some(Rule::Trim));
    for (warned, expected) in [
        (true, (Verdict::CutShort, Ground::Lifted)),
        (false, (Verdict::Hurt, Ground::Shorter)),
    ] {
        let mut life = Life::new();
        life.tick(300_000, 0);
        life.change(500_000, trim);
        life.tick(300_000, 0);
        life.change(1_000_000, By::Lift { warned });
        assert_eq!(life.verdicts(), [expected]);
    }
    let mut life = Life::new();
    life.change(500_000, trim);
    life.change(750_000, By::Order(Some(Rule::Raise)));
    assert_eq!(life.verdicts(), [(Verdict::CutShort, Ground::Changed)]);
}

proptest! {
    #[test]
    fn each_change_is_judged_once_and_in_time(steps in prop::collection::vec(step(), 0..120)) {
        let mut life = Life::new();
        let mut last = 0;
        let mut ticks_since = 0;
        for step in steps {
            let changes = life.seq;
            life.take(step);
            ticks_since = match step {
                Step::Tick(..) => ticks_since + 1,
                _ if life.seq != changes => 0,
                _ => ticks_since,
            };
            for closed in life.trials.closed.drain(..) {
                prop_assert!(closed.seq > last && closed.seq <= life.seq);
                last = closed.seq;
                prop_assert!(closed.before.ticks <= WINDOW && closed.after.ticks <= WINDOW);
                prop_assert!(closed.from != closed.to);
                if closed.verdict == Verdict::Hurt {
                    prop_assert!(closed.to < closed.from, "a raise hurts nobody");
                }
                if closed.verdict == Verdict::Helped {
                    prop_assert!(closed.to > closed.from, "a trim helps nobody");
                }
            }
            // A tick that had begun before the change does not count.
            prop_assert!(ticks_since <= WINDOW + 1 || !life.trials.is_open());
        }
    }

    #[test]
    fn a_verdict_follows_from_what_was_seen_alone(
        steps in prop::collection::vec(step(), 0..80),
        cut in 0..80_usize,
    ) {
        let (mut one, mut other) = (Life::new(), Life::new());
        for (place, step) in steps.into_iter().enumerate() {
            one.take(step);
            other.take(step);
            if place == cut {
                let text = serde_json::to_string(&other.trials).unwrap();
                other.trials = serde_json::from_str(&text).unwrap();
            }
        }
        prop_assert_eq!(one.trials, other.trials);
    }
}
