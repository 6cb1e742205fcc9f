//! Outcomes as sentences.

use super::outcome::{Ground, Outcome, Signals, Verdict};
use crate::decide::sentence::Quantity;
use crate::signal::{Amount, Nanos, Resource};
use std::fmt::{Display, Formatter, Result};

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Helped => "it helped",
            Self::NoDifference => "it made no difference",
            Self::Hurt => "it hurt",
            Self::CutShort => "nothing was seen of it",
            Self::CannotTell => "what it did cannot be told",
        })
    }
}

impl Outcome {
    /// What the verdict rests on, as a part of a sentence.
    fn ground(&self, f: &mut Formatter<'_>) -> Result {
        let met = match self.resource {
            Resource::Cpu => "throttled",
            Resource::Memory => "at its limit",
        };
        match self.ground {
            Ground::Beyond => {
                let limit = Quantity(self.resource, self.from);
                write!(f, "it used more than {limit}")
            }
            Ground::Eased => write!(
                f,
                "it was less often {met}, by more than chance would have it"
            ),
            Ground::Shorter if self.before.short == 0 => {
                write!(f, "it was {met}, as it had not been before")
            }
            Ground::Shorter => write!(
                f,
                "it was more often {met}, by more than chance would have it"
            ),
            Ground::Same => write!(f, "it was {met} as often as before"),
            Ground::Calm => write!(f, "it was {met} neither before nor after"),
            Ground::Load => f.write_str("what it needs has changed by itself"),
            Ground::Few => f.write_str("too little was seen before or after"),
            Ground::Lifted => write!(f, "it was lifted again before it was {met}"),
            Ground::Changed => f.write_str("another change came"),
            Ground::Foreign => f.write_str("somebody else wrote the limit"),
        }
    }

    /// One signal before and after.
    fn then(
        &self,
        f: &mut Formatter<'_>,
        name: &str,
        of: impl Fn(&Signals, &mut Formatter<'_>) -> Result,
    ) -> Result {
        write!(f, "{name} ")?;
        if self.before.ticks > 0 {
            of(&self.before, f)?;
            f.write_str(" -> ")?;
        }
        of(&self.after, f)
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let resource = self.resource;
        write!(f, "{} later: ", self.took)?;
        if self.after.ticks > 0 {
            match resource {
                Resource::Cpu => self.then(f, "throttled", |signals, f| share(signals.short, f))?,
                Resource::Memory => self.then(f, "limit met", |signals, f| {
                    write!(f, "{} times", signals.short)
                })?,
            }
            self.then(f, ", use", |signals, f| {
                Quantity(resource, rounded(resource, signals.used)).fmt(f)
            })?;
            if (self.before.waited, self.after.waited) != (Nanos(0), Nanos(0)) {
                self.then(f, ", waiting", |signals, f| {
                    write!(f, "{}/s", signals.waited)
                })?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}: ", self.verdict)?;
        self.ground(f)
    }
}

/// Thousandths as a percentage.
fn share(thousandths: u32, f: &mut Formatter<'_>) -> Result {
    if thousandths.is_multiple_of(10) {
        write!(f, "{} %", thousandths / 10)
    } else {
        write!(f, "{}.{} %", thousandths / 10, thousandths % 10)
    }
}

/// No finer than people read: hundredths of a CPU.
fn rounded(resource: Resource, amount: Amount) -> Amount {
    match resource {
        Resource::Cpu => Amount((amount.0 + 5_000) / 10_000 * 10_000),
        Resource::Memory => amount,
    }
}
