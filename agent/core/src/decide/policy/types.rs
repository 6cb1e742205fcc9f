//! What a policy is given, what it remembers, and what it proposes.

use crate::decide::reason::{Input, Rule};
use crate::decide::settings::GiveBack;
use crate::model::{Foreseen, Usage, WorkingSet};
use crate::signal::{Amount, Nanos};
use serde::{Deserialize, Serialize};

/// A trim is to blame for shortage that follows within this time.
const BLAME: Nanos = Nanos(10 * Nanos::SECOND.0);

/// Without a trim that hurt for this long, all is forgiven.
const FORGIVE: Nanos = Nanos(10 * Nanos::MINUTE.0);

/// The largest widening of a margin, in percentage points.
const WIDEST: u32 = 100;

/// Cells that must be known before anything is trimmed.
pub(super) const LEAST_SAMPLES: usize = 5;

/// A trim that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::decide) struct Cut {
    /// When.
    pub(in crate::decide) at: Nanos,
    /// The limit before.
    pub(in crate::decide) from: Amount,
    /// The limit after.
    pub(in crate::decide) to: Amount,
}

impl Cut {
    /// Whether shortage now may be this trim's fault.
    pub(in crate::decide) fn to_blame(self, now: Nanos) -> bool {
        now.since(self.at) <= BLAME
    }

    /// The same as what a decision was based on.
    fn input(self, ago: Nanos) -> Input {
        let Self { from, to, .. } = self;
        Input::Cut { from, to, ago }
    }
}

/// What a policy knows about one workload and resource.
#[derive(Clone, Copy, Debug)]
pub(in crate::decide) struct Need<'a> {
    /// The present time.
    pub(in crate::decide) now: Nanos,
    /// The limit in force; the ceiling where there is none.
    pub(in crate::decide) limit: Amount,
    /// Use and demand.
    pub(in crate::decide) usage: &'a Usage,
    /// The last trim, if it hurts and is young enough to blame.
    pub(in crate::decide) cut: Option<Cut>,
    /// A rise that is foreseen.
    pub(in crate::decide) foreseen: Option<Foreseen>,
    /// Whether its latency objective was missed lately, as the last tick has shown.
    pub(in crate::decide) missed: bool,
    /// What it works with, and by what it is given back; `None` where memory is only lifted, and for CPU.
    pub(in crate::decide) memory: Option<(GiveBack, &'a WorkingSet)>,
}

/// What a policy remembers between ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::decide) struct Memory {
    /// Threshold: since when utilisation is high.
    pub(super) high_since: Option<Nanos>,
    /// Threshold: since when utilisation is low.
    pub(super) low_since: Option<Nanos>,
    /// Headroom and memory: points of margin added since trims hurt.
    pub(super) wider: u32,
    /// Trims that hurt in a row.
    pub(super) hurts: u32,
    /// The last time that a trim hurt.
    pub(super) hurt_at: Nanos,
}

impl Memory {
    /// A trim turned out to be wrong.
    pub(in crate::decide) fn hurt(&mut self, now: Nanos) {
        self.hurts = self.hurts.saturating_add(1);
        self.hurt_at = now;
    }

    /// From now on more is left.
    pub(in crate::decide) fn widen(&mut self) {
        self.wider = (self.wider * 2).clamp(10, WIDEST);
    }

    /// Trims in a row that were wrong.
    pub(in crate::decide) const fn hurts(&self) -> u32 {
        self.hurts
    }

    /// How long to wait before the next trim: doubled with every one that hurt.
    pub(in crate::decide) fn patience(&self, cooldown: Nanos) -> Nanos {
        Nanos(cooldown.0.saturating_mul(1 << self.hurts.min(5)))
    }

    /// The limit has changed: utilisation is measured anew.
    pub(in crate::decide) fn limit_changed(&mut self) {
        self.high_since = None;
        self.low_since = None;
    }

    /// Without a trim that hurt for long enough, starts anew.
    pub(super) fn forgive(&mut self, now: Nanos) {
        if self.hurts > 0 && now.since(self.hurt_at) >= FORGIVE {
            self.hurts = 0;
            self.wider = 0;
        }
    }
}

/// What led to a proposal; turned into [`Input`]s only if it becomes a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decide) enum Basis {
    /// A percentile of demand, and the margin on top in percent.
    Percentile {
        percent: u32,
        window: Nanos,
        amount: Amount,
        margin: u32,
    },
    /// Utilisation beyond a threshold.
    Utilisation {
        percent: u32,
        threshold: u32,
        lasted: Nanos,
    },
    /// A rise that is foreseen within a time, and the margin on top in percent.
    Foreseen {
        foreseen: Foreseen,
        within: Nanos,
        margin: u32,
    },
    /// A trim that hurt.
    Hurt {
        cut: Cut,
        ago: Nanos,
        periods: u64,
        of: u64,
    },
    /// A percentile of the working set, the margin on top in percent, and the least room above.
    WorkingSet {
        percent: u32,
        window: Nanos,
        amount: Amount,
        margin: u32,
        room: Amount,
    },
    /// A trim of memory that hurt.
    Short {
        cut: Cut,
        ago: Nanos,
        refaults: u64,
        stalled: Nanos,
    },
    /// A loan.
    Loan { lent: Amount, used: Amount },
    /// A latency objective that was missed while the quota was spent.
    Late { periods: u64, of: u64 },
}

impl Basis {
    /// The same for people.
    pub(in crate::decide) fn inputs(&self) -> Vec<Input> {
        match *self {
            Self::Percentile {
                percent,
                window,
                amount,
                margin,
            } => {
                vec![
                    Input::Percentile {
                        percent,
                        window,
                        amount,
                    },
                    Input::Margin(margin),
                ]
            }
            Self::Utilisation {
                percent,
                threshold,
                lasted,
            } => {
                vec![Input::Utilisation {
                    percent,
                    threshold,
                    lasted,
                }]
            }
            Self::Foreseen {
                foreseen,
                within,
                margin,
            } => {
                vec![
                    Input::Foreseen {
                        expected: foreseen.expected,
                        upper: foreseen.upper,
                        within,
                        pattern: foreseen.pattern,
                    },
                    Input::Margin(margin),
                ]
            }
            Self::Hurt {
                cut,
                ago,
                periods,
                of,
            } => {
                vec![cut.input(ago), Input::Throttled { periods, of }]
            }
            Self::WorkingSet {
                percent,
                window,
                amount,
                margin,
                room,
            } => {
                vec![
                    Input::WorkingSet {
                        percent,
                        window,
                        amount,
                    },
                    Input::Margin(margin),
                    Input::Room(room),
                ]
            }
            Self::Short {
                cut,
                ago,
                refaults,
                stalled,
            } => {
                vec![cut.input(ago), Input::Short { refaults, stalled }]
            }
            Self::Loan { lent, used } => vec![Input::Lent(lent), Input::Use(used)],
            Self::Late { periods, of } => vec![Input::Throttled { periods, of }],
        }
    }
}

/// Where a policy would like the limit to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decide) struct Proposal {
    /// The limit.
    pub(in crate::decide) to: Amount,
    /// By which rule.
    pub(in crate::decide) rule: Rule,
    /// On what grounds.
    pub(in crate::decide) basis: Basis,
}
