//! The agent's own budget: which of its probes it does without while they cost too much, and when
//! it takes them back.

use crate::signal::{Amount, Nanos};

/// A probe that comes back only to go off again stays off twice as long, up to this.
const LONGEST: Nanos = Nanos(60 * Nanos::MINUTE.0);

/// A probe that goes off at least so long after it came back, or as long as it had been off, goes
/// off for the first time again.
const FORGIVEN: Nanos = Nanos(10 * Nanos::MINUTE.0);

/// A probe comes back where it would leave so much of the budget, in percent: a quarter is the
/// distance between going and coming back.
const FILLED: u32 = 75;

/// What costs less than this part of the budget, in percent, is not worth being without.
const WORTH: u32 = 2;

/// What may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// CPU of the agent and its probes, in micro-CPUs.
    pub cpu: Amount,
    /// For how long more than that must be used until something is done about it, and less until
    /// that is undone.
    pub patience: Nanos,
}

/// How one probe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On, and what is decided would not be safe without it; or off whatever the budget says.
    Kept,
    /// On, and could be done without; what it costs, in micro-CPUs.
    Optional(Amount),
    /// Off for the budget's sake; by how much it would make it dearer, `None` where nothing tells.
    Shed(Option<Amount>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Do without this probe, by its place.
    Shed(usize),
    /// Take it back.
    TakeBack(usize),
}

/// What is remembered of one probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Past {
    /// For how long it was off at least, last time; 0 when it never was.
    off: Nanos,
    /// Until when it stays off, or when it came back.
    until: Nanos,
}

/// What is remembered of all of them: `PROBES` is how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shedding<const PROBES: usize> {
    over: Lasting,
    calm: Lasting,
    past: [Past; PROBES],
    /// Those that are off, in the order in which they went.
    shed: [usize; PROBES],
    count: usize,
}

impl<const PROBES: usize> Default for Shedding<PROBES> {
    fn default() -> Self {
        Self {
            over: Lasting::default(),
            calm: Lasting::default(),
            past: [Past::default(); PROBES],
            shed: [0; PROBES],
            count: 0,
        }
    }
}

impl<const PROBES: usize> Shedding<PROBES> {
    /// Takes in what is used by now, `used` by everything, and says what is to be done: one thing
    /// at a time, so that its effect can be seen before the next.
    ///
    /// Whoever asks does what is said. Should that fail, [`Shedding::undo`] says so.
    pub fn judge(
        &mut self,
        now: Nanos,
        budget: &Budget,
        used: Amount,
        probes: &[Standing; PROBES],
    ) -> Option<Change> {
        let is_over = used > budget.cpu;
        if self.over.lasts(now, is_over, budget.patience)
            && let Some(dearest) = dearest(budget, probes)
            && self.count < PROBES
        {
            self.go(now, budget, dearest);
            return Some(Change::Shed(dearest));
        }
        let last = *self.shed[..self.count].last()?;
        let Standing::Shed(more) = probes[last] else {
            // It is off for another reason by now, and not ours to take back.
            self.count -= 1;
            return None;
        };
        let then = used.plus(more.unwrap_or(Amount::ZERO));
        let is_calm = !is_over && then <= budget.cpu.percent(FILLED);
        if self.calm.lasts(now, is_calm, budget.patience) && now >= self.past[last].until {
            self.count -= 1;
            self.past[last].until = now;
            self.calm = Lasting::default();
            return Some(Change::TakeBack(last));
        }
        None
    }

    /// The last change could not be made: a probe that could not come back stays off for longer, one
    /// that could not go is not off.
    pub fn undo(&mut self, now: Nanos, budget: &Budget, change: Change) {
        match change {
            Change::Shed(_) => self.count = self.count.saturating_sub(1),
            Change::TakeBack(probe) => self.go(now, budget, probe),
        }
    }

    /// Until when at least a probe stays off.
    #[must_use]
    pub fn until(&self, probe: usize) -> Nanos {
        self.past.get(probe).map_or(Nanos(0), |past| past.until)
    }

    fn go(&mut self, now: Nanos, budget: &Budget, probe: usize) {
        let past = &mut self.past[probe];
        let forgiven = FORGIVEN.max(past.off);
        let again = past.off > Nanos(0) && now.since(past.until) < forgiven;
        past.off = if again {
            Nanos(past.off.0.saturating_mul(2)).min(LONGEST)
        } else {
            Nanos(budget.patience.0.saturating_mul(2)).min(LONGEST)
        };
        past.until = now.plus(past.off);
        self.shed[self.count] = probe;
        self.count += 1;
        self.over = Lasting::default();
        self.calm = Lasting::default();
    }
}

/// The optional probe that costs the most, if that is worth being without it.
fn dearest(budget: &Budget, probes: &[Standing]) -> Option<usize> {
    let cost = |(place, standing): (usize, &Standing)| match standing {
        Standing::Optional(cost) => Some((*cost, place)),
        Standing::Kept | Standing::Shed(_) => None,
    };
    let (cost, place) = probes.iter().enumerate().filter_map(cost).max()?;
    (cost > Amount::ZERO && cost >= budget.cpu.percent(WORTH)).then_some(place)
}

/// For how long something has been so without a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lasting {
    since: Option<Nanos>,
}

impl Lasting {
    /// Whether it is so, and has been for this long.
    fn lasts(&mut self, now: Nanos, is_so: bool, patience: Nanos) -> bool {
        if !is_so {
            self.since = None;
            return false;
        }
        now.since(*self.since.get_or_insert(now)) >= patience
    }
}

/// Whether something has been over its budget for a while, and then within it for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overdraft {
    other: Lasting,
    is_over: bool,
}

impl Overdraft {
    /// Takes in what is used by now; `Some` where that has changed how it stands.
    pub fn push(
        &mut self,
        now: Nanos,
        budget: Amount,
        used: Amount,
        patience: Nanos,
    ) -> Option<bool> {
        if self
            .other
            .lasts(now, (used > budget) != self.is_over, patience)
        {
            self.is_over = !self.is_over;
            self.other = Lasting::default();
            return Some(self.is_over);
        }
        None
    }

    /// How it stands.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }
}
