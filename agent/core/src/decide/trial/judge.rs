//! Verdicts. What is seen must be beyond the noise of the ticks, and nothing else that was seen may
//! explain it as well.

use super::evidence::shift;
use super::outcome::{Ground, Verdict};
use super::signals::{Recent, Sample};
use super::trials::Trial;
use std::cmp::Ordering;

/// A change that had all the ticks that it takes.
pub(super) fn settled(trial: &Trial, recent: &Recent) -> (Verdict, Ground) {
    if trial.beyond {
        return (Verdict::Helped, Ground::Beyond);
    }
    let before = || recent.ticks(trial.after + trial.mixed, trial.before);
    let after = || recent.ticks(0, trial.after);
    let was = before().any(|tick| tick.short > 0);
    let is = after().any(|tick| tick.short > 0);
    let raises = trial.to > trial.from;
    if raises && !was && !is {
        return (Verdict::CannotTell, Ground::Calm);
    }
    let Some(load) = load(before(), after()) else {
        return (Verdict::CannotTell, Ground::Few);
    };
    if !is && !was {
        // Less use is no proof that as much use would have been spared.
        return if load == Ordering::Less {
            (Verdict::CannotTell, Ground::Load)
        } else {
            (Verdict::NoDifference, Ground::Calm)
        };
    }
    let share = |tick: &Sample| u64::from(tick.short);
    let short = shift(before().map(share), after().map(share));
    match (short, raises) {
        (Some(Ordering::Less), true) if load != Ordering::Less => (Verdict::Helped, Ground::Eased),
        (Some(Ordering::Greater), false) => (Verdict::Hurt, Ground::Shorter),
        (Some(Ordering::Equal), _) if was && is => (Verdict::NoDifference, Ground::Same),
        (None | Some(Ordering::Equal), _) => (Verdict::CannotTell, Ground::Few),
        // A raise makes nobody short, a trim eases nothing: use has changed by itself.
        (Some(_), _) => (Verdict::CannotTell, Ground::Load),
    }
}

/// How use has changed: by more than the noise, and by a quarter at least; `None` where there are too
/// few ticks to say.
fn load<'a>(
    before: impl Iterator<Item = &'a Sample> + Clone,
    after: impl Iterator<Item = &'a Sample> + Clone,
) -> Option<Ordering> {
    let used = |tick: &Sample| tick.used.0;
    let shift = shift(before.clone().map(used), after.clone().map(used))?;
    let (before, after) = (mean(before.map(used)), mean(after.map(used)));
    let moved = before.abs_diff(after) > before.max(after) / 4;
    Some(if moved { shift } else { Ordering::Equal })
}

fn mean(values: impl Iterator<Item = u64>) -> u64 {
    let (sum, count) = values.fold((0_u64, 0), |(sum, count), value| {
        (sum.saturating_add(value), count + 1)
    });
    sum / count.max(1)
}
