//! Findings as sentences.

use super::beyond::Hint;
use super::fit::{Loose, Tight};
use super::found::Anomaly;
use super::leak::Leak;
use super::neighbour::Neighbour;
use super::shift::Shift;
use crate::decide::Quantity;
use crate::signal::{Amount, Nanos, Resource};
use std::fmt::{Display, Formatter, Result};

/// A time as people say it: `42 min`, `2 h 10 min`, `3 d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Nanos);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let minutes = self.0.0 / Nanos::MINUTE.0;
        let (days, hours, rest) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
        match (days, hours, rest) {
            (0, 0, 0) => f.write_str("less than a minute"),
            (0, 0, rest) => write!(f, "{rest} min"),
            (0, hours, 0) => write!(f, "{hours} h"),
            (0, hours, rest) => write!(f, "{hours} h {rest} min"),
            (days, 0, _) => write!(f, "{days} d"),
            (days, hours, _) => write!(f, "{days} d {hours} h"),
        }
    }
}

impl Display for Anomaly {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Leak(leak) => leak.fmt(f),
            Self::Shift(shift) => shift.fmt(f),
            Self::LimitTooLarge(loose) => loose.fmt(f),
            Self::LimitTooSmall(tight) => tight.fmt(f),
            Self::NoisyNeighbour(neighbour) => neighbour.fmt(f),
            Self::BeyondNode(hint) => hint.fmt(f),
        }
    }
}

impl Display for Leak {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let bytes = |amount| Quantity(Resource::Memory, amount);
        let per_minute = Amount(self.per_hour.0.div_ceil(60));
        let (rate, unit) = if per_minute >= Amount::MIB {
            (per_minute, "a minute")
        } else {
            (self.per_hour, "an hour")
        };
        let (rate, grown, over) = (bytes(rate), bytes(self.grown), Span(self.over));
        let Some(left) = self.left.map(Span) else {
            return write!(
                f,
                "leak: {grown} in {over} without falling back; it does not grow at present"
            );
        };
        write!(
            f,
            "leak: {rate} {unit} for {over} without falling back, {grown} in all; "
        )?;
        match self.limit {
            Some(limit) => write!(f, "the limit of {} is reached in {left}", bytes(limit)),
            None => write!(f, "the node's memory ends in {left}"),
        }
    }
}

impl Display for Shift {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let [from, to] =
            [self.from, self.to].map(|amount| Quantity(Resource::Cpu, rounded(amount)));
        write!(f, "shift: it needed {from} and now needs {to}, all at once")
    }
}

impl Display for Loose {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let quantity = |amount| Quantity(self.resource, amount);
        write!(
            f,
            "limit too large: {} are held, and no more than {} were needed in {}",
            quantity(self.limit),
            quantity(rounded_for(self.resource, self.needed)),
            Span(self.over)
        )
    }
}

impl Display for Tight {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let quantity = |amount| Quantity(self.resource, amount);
        let (limit, minutes) = (quantity(self.limit), self.minutes);
        let needed = quantity(rounded_for(self.resource, self.needed));
        match self.throttled {
            Some(share) => write!(
                f,
                "limit too small: {limit}, at which {} % of its periods were throttled, a tenth or more in {minutes} of the last 32 min; it would use up to {needed}",
                tenths(share)
            )?,
            None => write!(
                f,
                "limit too small: {limit}, which was met in {minutes} of the last 32 min, and up to {needed} cannot be dropped"
            )?,
        }
        if self.at_ceiling {
            f.write_str("; the limit stands at its ceiling")?;
        }
        Ok(())
    }
}

impl Neighbour {
    /// The sentence with the group's name.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        format!(
            "noisy neighbour: it waits behind {name} for {} % of the time in which it could run, in {} of the last 10 min",
            tenths(self.share),
            self.minutes
        )
    }
}

impl Display for Neighbour {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.named(&format!("group {}", self.id)))
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let [demand, capacity] =
            [self.demand, self.capacity].map(|amount| Quantity(Resource::Cpu, rounded(amount)));
        write!(
            f,
            "beyond this node: it needs {demand} and can have {capacity} here, in {} of the last 5 min; {} instances like this one would do",
            self.minutes, self.instances
        )
    }
}

/// No finer than people read: hundredths of a CPU.
const fn rounded(amount: Amount) -> Amount {
    Amount((amount.0 + 5_000) / 10_000 * 10_000)
}

fn rounded_for(resource: Resource, amount: Amount) -> Amount {
    match resource {
        Resource::Cpu => rounded(amount),
        Resource::Memory => amount,
    }
}

/// Thousandths as a percentage.
fn tenths(thousandths: u32) -> String {
    if thousandths.is_multiple_of(10) {
        format!("{}", thousandths / 10)
    } else {
        format!("{}.{}", thousandths / 10, thousandths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_a_sentence_with_its_figures() {
        let minutes = |count: u64| Nanos(count * Nanos::MINUTE.0);
        let mib = |count: u64| Amount(count << 20);
        let leak = Leak {
            grown: mib(130),
            over: minutes(42),
            per_hour: mib(186),
            used: mib(400),
            limit: Some(mib(803)),
            left: Some(minutes(130)),
        };
        let tight = Tight {
            resource: Resource::Cpu,
            limit: Amount(500_000),
            throttled: Some(384),
            minutes: 31,
            needed: Amount(893_217),
            at_ceiling: true,
        };
        let all = [
            Anomaly::Leak(leak),
            Anomaly::Leak(Leak {
                per_hour: mib(12),
                over: minutes(2_048),
                limit: None,
                left: Some(minutes(3_000)),
                ..leak
            }),
            Anomaly::Leak(Leak {
                per_hour: Amount::ZERO,
                left: None,
                ..leak
            }),
            Anomaly::Shift(Shift {
                from: Amount(512_345),
                to: Amount(1_200_000),
                over: minutes(3),
            }),
            Anomaly::LimitTooLarge(Loose {
                resource: Resource::Memory,
                limit: Amount(8 << 30),
                needed: mib(700),
                over: minutes(1_440),
            }),
            Anomaly::LimitTooSmall(tight),
            Anomaly::LimitTooSmall(Tight {
                resource: Resource::Memory,
                limit: mib(512),
                throttled: None,
                needed: mib(505),
                at_ceiling: false,
                ..tight
            }),
            Anomaly::NoisyNeighbour(Neighbour {
                id: 7,
                share: 230,
                minutes: 9,
            }),
            Anomaly::BeyondNode(Hint {
                demand: Amount(5_012_345),
                capacity: Amount(2_000_000),
                instances: 3,
                minutes: 4,
            }),
        ];
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        leak: 3.1 MiB a minute for 42 min without falling back, 130 MiB in all; the limit of 803 MiB is reached in 2 h 10 min
        leak: 12 MiB an hour for 1 d 10 h without falling back, 130 MiB in all; the node's memory ends in 2 d 2 h
        leak: 130 MiB in 42 min without falling back; it does not grow at present
        shift: it needed 0.51 CPU and now needs 1.20 CPU, all at once
        limit too large: 8 GiB are held, and no more than 700 MiB were needed in 1 d
        limit too small: 0.50 CPU, at which 38.4 % of its periods were throttled, a tenth or more in 31 of the last 32 min; it would use up to 0.89 CPU; the limit stands at its ceiling
        limit too small: 512 MiB, which was met in 31 of the last 32 min, and up to 505 MiB cannot be dropped
        noisy neighbour: it waits behind group 7 for 23 % of the time in which it could run, in 9 of the last 10 min
        beyond this node: it needs 5.01 CPU and can have 2.00 CPU here, in 4 of the last 5 min; 3 instances like this one would do
        ");
    }
}
