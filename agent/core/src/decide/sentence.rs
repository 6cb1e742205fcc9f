//! Reasons as sentences.

use super::entitlement::{Entitlement, Priority};
use super::reason::{Clamp, Guard, Input, Otherwise, Reason, Rule};
use super::settings::Objective;
use crate::model::Pattern;
use crate::signal::{Amount, Cause, Denial, Nanos, Resource};
use std::cmp::Ordering;
use std::fmt::{Display, Formatter, Result};

/// An amount with its resource, so that it can be shown with a unit: `0.25 CPU`, `64 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(pub Resource, pub Amount);

impl Display for Quantity {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(resource, amount) = *self;
        match resource {
            _ if amount.is_unlimited() => f.write_str("unlimited"),
            Resource::Cpu => {
                let (whole, milli) = (amount.0 / 1_000_000, amount.0 % 1_000_000 / 1_000);
                if milli.is_multiple_of(10) {
                    write!(f, "{whole}.{:02} CPU", milli / 10)
                } else {
                    write!(f, "{whole}.{milli:03} CPU")
                }
            }
            Resource::Memory => {
                let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
                let unit = units.into_iter().find(|(shift, _)| amount.0 >> shift > 0);
                let Some((shift, name)) = unit else {
                    return write!(f, "{} B", amount.0);
                };
                let tenths =
                    (amount.0 >> shift) * 10 + (((amount.0 & ((1 << shift) - 1)) * 10) >> shift);
                if tenths.is_multiple_of(10) {
                    write!(f, "{} {name}", tenths / 10)
                } else {
                    write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
                }
            }
        }
    }
}

impl Display for Nanos {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            ns if ns >= 1_000_000_000 && (ns / 100_000_000).is_multiple_of(10) => {
                write!(f, "{} s", ns / 1_000_000_000)
            }
            ns if ns >= 1_000_000_000 => {
                write!(f, "{}.{} s", ns / 1_000_000_000, ns / 100_000_000 % 10)
            }
            ns if ns >= 1_000_000 => write!(f, "{} ms", ns / 1_000_000),
            ns => write!(f, "{} us", ns / 1_000),
        }
    }
}

impl Display for Resource {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        })
    }
}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::QuotaNear => "the period's quota was nearly spent",
            Self::ThrottledRunning => "throttled while running",
            Self::ThrottledWaking => "throttled while waking",
            Self::MemoryNear => "memory was nearly full",
            Self::ReclaimFailing => "reclaim found nothing",
            Self::Twin => "counters moved during the last tick",
        })
    }
}

impl Display for Denial {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Stale => "the event is older than our last write",
            Self::Foreign => "somebody else has written the limit",
            Self::NotEnforced => "limits are not enforced here",
            Self::Ceiling => "the ceiling is reached",
            Self::PoolEmpty => "the pool has nothing left that is worth a write",
            Self::NodeShort => "the node itself is short",
            Self::Barred => "what was lent before kept others waiting",
            Self::Rate => "the lifts per minute are used up",
            Self::LimitedAbove => "a level above is the one that limits",
            Self::Reclaimable => "what fills it is page cache, which can be dropped",
            Self::WriteFailed => "the write failed",
        })
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::FirstLift => "first lift of a burst",
            Self::SecondLift => "further lift of a burst",
            Self::Grow => "utilisation stayed high",
            Self::Shrink => "utilisation stayed low",
            Self::Raise => "need and margin exceed the limit",
            Self::Trim => "need and margin are below the limit",
            Self::Undo => "the last trim hurt and is given back twice",
            Self::Recall => "the pool is short and this loan is idle",
            Self::Share => "the pool is short and this is more than its share",
            Self::CallIn => "what was lent kept others waiting",
            Self::Ahead => "need is about to exceed the limit",
            Self::Late => "the latency objective was missed",
        })
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Trend => "its trend",
            Self::Hour => "this minute of other hours",
            Self::Day => "this time of other days",
        })
    }
}

impl Display for Guard {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Floor => "the floor",
            Self::Visible => "the least that applications are to see",
            Self::Ceiling => "the ceiling",
            Self::Adopted => "what its owner had set",
            Self::Use => "present use",
            Self::LargestCut => "the largest cut",
            Self::Parent => "the parent's limit",
            Self::WarmUp => "the workload's first minutes",
            Self::Cooldown => "the cooldown",
            Self::BackOff => "trims that hurt before",
            Self::Throttled => "recent throttling",
            Self::Changes => "the changes per minute",
            Self::MemoryStays => "memory is only lifted",
            Self::Short => "recent want of memory",
            Self::Node => "the node's free memory",
            Self::Pool => "what the pool has left",
            Self::Rival => "what others are entitled to",
            Self::Barred => "what was lent before, which kept others waiting",
            Self::TooSmall => "too small a change",
        })
    }
}

impl Display for Priority {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        })
    }
}

/// Who pays for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rivalry<'a> {
    /// The name of the workload that gets what another one cannot have.
    pub name: &'a str,
    /// How that one stands.
    pub theirs: Entitlement,
    /// How the other one stands.
    pub ours: Entitlement,
}

impl Display for Rivalry<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { name, theirs, ours } = *self;
        let (weight, beside) = (theirs.weight, ours.weight);
        write!(f, "node is full; {name} ")?;
        match theirs.priority.cmp(&ours.priority) {
            Ordering::Greater => write!(f, "(priority {}) goes first", theirs.priority),
            Ordering::Equal => write!(f, "has its share (weight {weight} beside {beside})"),
            Ordering::Less => write!(f, "(priority {}) keeps what it uses", theirs.priority),
        }
    }
}

/// Writes a part of a sentence with the resource's unit.
trait Part {
    fn part(&self, resource: Resource, f: &mut Formatter<'_>) -> Result;
}

impl Part for Input {
    fn part(&self, resource: Resource, f: &mut Formatter<'_>) -> Result {
        let q = |amount| Quantity(resource, amount);
        match *self {
            Self::Rival {
                ref name,
                theirs,
                ours,
            } => Rivalry { name, theirs, ours }.fmt(f),
            Self::Event(cause) => write!(f, "{cause}"),
            Self::Use(amount) => write!(f, "use {}", q(amount)),
            Self::Percentile {
                percent,
                window,
                amount,
            } => write!(f, "p{percent} of {window} is {}", q(amount)),
            Self::Margin(percent) => write!(f, "margin {percent} %"),
            Self::Utilisation {
                percent,
                threshold,
                lasted,
            } => {
                write!(
                    f,
                    "utilisation {percent} % against {threshold} % for {lasted}"
                )
            }
            Self::Throttled { periods, of } => write!(f, "{periods} of {of} periods throttled"),
            Self::Cut { from, to, ago } => {
                write!(f, "trimmed from {} to {} {ago} ago", q(from), q(to))
            }
            Self::WorkingSet {
                percent,
                window,
                amount,
            } => write!(
                f,
                "p{percent} of the working set of {window} is {}",
                q(amount)
            ),
            Self::Room(amount) => write!(f, "at least {} above", q(amount)),
            Self::Short { refaults, stalled } => write!(
                f,
                "{refaults} pages came back and {stalled} were lost to stalls"
            ),
            Self::Lent(amount) => write!(f, "lent {}", q(amount)),
            Self::Granted(amount) => write!(f, "granted {}", q(amount)),
            Self::PoolLeft(amount) => write!(f, "pool left {}", q(amount)),
            Self::NodeLeft(amount) => write!(f, "node left {}", q(amount)),
            Self::Held(amount) => write!(f, "the kernel holds {}", q(amount)),
            Self::Foreseen {
                expected,
                upper,
                within,
                pattern,
            } => write!(
                f,
                "{} within {within}, at most {}, foreseen from {pattern}",
                q(expected),
                q(upper)
            ),
            Self::Attained {
                late,
                of,
                objective: Objective::Requests(within),
            } => write!(f, "{late} of {of} requests took longer than {within}"),
            Self::Attained {
                late,
                of,
                objective: Objective::Waits(within),
            } => write!(
                f,
                "{late} of {of} waits for a CPU took longer than {within}"
            ),
            Self::Own(amount) => write!(f, "{} of it held", q(amount)),
        }
    }
}

impl Part for Clamp {
    fn part(&self, resource: Resource, f: &mut Formatter<'_>) -> Result {
        let q = |amount| Quantity(resource, amount);
        write!(
            f,
            "; bounded from {} to {} by {}",
            q(self.from),
            q(self.to),
            self.guard
        )
    }
}

impl Part for Otherwise {
    fn part(&self, resource: Resource, f: &mut Formatter<'_>) -> Result {
        let q = |amount| Quantity(resource, amount);
        match *self {
            Self::Throttled(limit) => write!(
                f,
                "it would be throttled at {} until the period ends",
                q(limit)
            ),
            Self::Killed(limit) => {
                write!(f, "it would be reclaimed from or killed at {}", q(limit))
            }
            Self::Idle(amount) => write!(f, "{} would stay held and unused", q(amount)),
            Self::Withheld(amount) => write!(f, "nobody else could have {}", q(amount)),
            Self::Overwritten(amount) => write!(f, "{} would be overwritten", q(amount)),
            Self::Nothing => f.write_str("nothing would be different"),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let resource = self.resource;
        let q = |amount| Quantity(resource, amount);
        if self.denial.is_some() || self.from == self.to {
            write!(f, "{resource} stays at {}: ", q(self.from))?;
        } else {
            write!(
                f,
                "{resource} {} -> {}: {}: ",
                q(self.from),
                q(self.to),
                self.rule
            )?;
        }
        for (position, input) in self.inputs.iter().enumerate() {
            f.write_str(if position == 0 { "" } else { ", " })?;
            input.part(resource, f)?;
        }
        for clamp in &self.clamps {
            clamp.part(resource, f)?;
        }
        if let Some(denial) = self.denial {
            write!(f, "; refused: {denial}")?;
        }
        let harmless = matches!(self.otherwise, Otherwise::Nothing);
        match self.denial {
            Some(_) if harmless => Ok(()),
            Some(Denial::Foreign) => {
                f.write_str("; with a write ")?;
                self.otherwise.part(resource, f)
            }
            Some(_) => {
                f.write_str("; so ")?;
                self.consequence(f)
            }
            None => {
                f.write_str("; without this ")?;
                self.otherwise.part(resource, f)
            }
        }
    }
}

impl Reason {
    /// What a refusal means for the workload.
    fn consequence(&self, f: &mut Formatter<'_>) -> Result {
        let limit = Quantity(self.resource, self.from);
        match self.resource {
            Resource::Cpu => write!(f, "it may be throttled at {limit} until the period ends"),
            Resource::Memory => write!(f, "it may be reclaimed from or killed at {limit}"),
        }
    }
}
