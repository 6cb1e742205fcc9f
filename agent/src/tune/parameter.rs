//! The parameters that can be searched, and the values that are tried.

use std::time::Duration;

use toml::{Table, Value};
use trimtab_core::{
    decide::{Bounds, GiveBack, Headroom, Policy as Kind, Threshold},
    signal::Nanos,
};

use crate::config::{Policy, Share};

/// A key of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `percentile`.
    Percentile,
    /// `window`.
    Window,
    /// `margin`.
    Margin,
    /// `lead`.
    Lead,
    /// `coverage`.
    Coverage,
    /// `high`.
    High,
    /// `low`.
    Low,
    /// `for`.
    For,
    /// `factor`, in hundredths.
    Factor,
    /// `memory.percentile`.
    MemoryPercentile,
    /// `memory.window`.
    MemoryWindow,
    /// `memory.margin`.
    MemoryMargin,
    /// `cooldown`.
    Cooldown,
    /// `cut_interval`.
    CutInterval,
    /// `largest_cut`.
    LargestCut,
    /// `use_headroom`.
    UseHeadroom,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Whole,
    Hundredths,
    Seconds,
}

/// Where a policy has a value.
enum Field<'a> {
    Whole(&'a mut u32),
    Time(&'a mut Nanos),
}

const PERCENTILES: [u64; 13] = [50, 60, 70, 75, 80, 85, 90, 93, 95, 97, 98, 99, 100];
/// Seconds, from the shortest window to the longest.
const WINDOWS: [u64; 18] = [
    5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 10_800, 28_800, 86_400,
];
const MARGINS: [u64; 20] = [
    0, 2, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000,
];

impl Parameter {
    /// Every parameter, as a policy is written.
    pub const ALL: [Self; 16] = [
        Self::Percentile,
        Self::Window,
        Self::Margin,
        Self::Lead,
        Self::Coverage,
        Self::High,
        Self::Low,
        Self::For,
        Self::Factor,
        Self::MemoryPercentile,
        Self::MemoryWindow,
        Self::MemoryMargin,
        Self::Cooldown,
        Self::CutInterval,
        Self::LargestCut,
        Self::UseHeadroom,
    ];

    /// Its key in the configuration.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Percentile => "percentile",
            Self::Window => "window",
            Self::Margin => "margin",
            Self::Lead => "lead",
            Self::Coverage => "coverage",
            Self::High => "high",
            Self::Low => "low",
            Self::For => "for",
            Self::Factor => "factor",
            Self::MemoryPercentile => "memory.percentile",
            Self::MemoryWindow => "memory.window",
            Self::MemoryMargin => "memory.margin",
            Self::Cooldown => "cooldown",
            Self::CutInterval => "cut_interval",
            Self::LargestCut => "largest_cut",
            Self::UseHeadroom => "use_headroom",
        }
    }

    /// The parameter with that key.
    #[must_use]
    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.key() == key)
    }

    /// Whether it bounds what any policy proposes. Those are kept as they are unless they are asked for: much of
    /// what they are for does not happen on a simulated node.
    pub(super) const fn is_guardrail(self) -> bool {
        matches!(
            self,
            Self::Cooldown | Self::CutInterval | Self::LargestCut | Self::UseHeadroom
        )
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Window
            | Self::Lead
            | Self::For
            | Self::MemoryWindow
            | Self::Cooldown
            | Self::CutInterval => Unit::Seconds,
            Self::Factor => Unit::Hundredths,
            _ => Unit::Whole,
        }
    }

    /// The values that are tried: over all that the configuration allows, and as people write them. Times, and
    /// what has no upper end, are about evenly apart on a logarithmic scale.
    const fn steps(self) -> &'static [u64] {
        match self {
            Self::Percentile | Self::MemoryPercentile => &PERCENTILES,
            Self::Window | Self::MemoryWindow => &WINDOWS,
            Self::Margin | Self::MemoryMargin => &MARGINS,
            Self::Lead => &[0, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600],
            Self::Coverage => &[50, 60, 70, 75, 80, 85, 90, 93, 95, 97, 98, 99],
            Self::High => &[30, 40, 50, 60, 65, 70, 75, 80, 85, 90, 93, 95, 97, 99, 100],
            Self::Low => &[0, 5, 10, 20, 30, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90],
            Self::For => &[1, 2, 3, 5, 8, 10, 15, 20, 30, 60, 120, 300, 600, 1800],
            Self::Factor => &[
                105, 110, 115, 120, 125, 130, 140, 150, 175, 200, 250, 300, 400, 600, 1000,
            ],
            Self::Cooldown => &[
                0, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600,
            ],
            Self::CutInterval => &[0, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800],
            Self::LargestCut => &[5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90],
            Self::UseHeadroom => &[0, 2, 5, 8, 10, 15, 20, 25, 30, 40, 50, 75, 100, 200],
        }
    }

    /// The values that are tried in ascending order, `present` among them.
    pub(super) fn values(self, present: u64) -> Vec<u64> {
        let unit = match self.unit() {
            Unit::Seconds => Nanos::SECOND.0,
            Unit::Whole | Unit::Hundredths => 1,
        };
        let steps = self.steps().iter().map(|step| step * unit);
        let mut values: Vec<_> = steps.chain([present]).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// What a policy has for it; `None` where it has no use for it. Times are in ns.
    pub(super) fn of(self, policy: &Policy) -> Option<u64> {
        let mut policy = policy.clone();
        self.fields(&mut policy).first().map(|field| match field {
            Field::Whole(value) => u64::from(**value),
            Field::Time(time) => time.0,
        })
    }

    /// Gives a policy another value.
    pub(super) fn set(self, policy: &mut Policy, value: u64) {
        for field in self.fields(policy) {
            match field {
                Field::Whole(whole) => *whole = u32::try_from(value).unwrap_or(u32::MAX),
                Field::Time(time) => *time = Nanos(value),
            }
        }
    }

    fn fields(self, policy: &mut Policy) -> Vec<Field<'_>> {
        let field = match self {
            Self::Percentile => {
                reactive(&mut policy.kind).map(|law| Field::Whole(&mut law.percentile))
            }
            Self::Window => reactive(&mut policy.kind).map(|law| Field::Time(&mut law.window)),
            Self::Margin => reactive(&mut policy.kind).map(|law| Field::Whole(&mut law.margin)),
            Self::Lead | Self::Coverage => match (&mut policy.kind, self) {
                (Kind::Predictive(law), Self::Lead) => Some(Field::Time(&mut law.lead)),
                (Kind::Predictive(law), _) => Some(Field::Whole(&mut law.coverage)),
                _ => None,
            },
            Self::High => threshold(&mut policy.kind).map(|law| Field::Whole(&mut law.high)),
            Self::Low => threshold(&mut policy.kind).map(|law| Field::Whole(&mut law.low)),
            Self::For => threshold(&mut policy.kind).map(|law| Field::Time(&mut law.duration)),
            Self::Factor => threshold(&mut policy.kind).map(|law| Field::Whole(&mut law.factor)),
            Self::MemoryPercentile => {
                give_back(policy).map(|law| Field::Whole(&mut law.percentile))
            }
            Self::MemoryWindow => give_back(policy).map(|law| Field::Time(&mut law.window)),
            Self::MemoryMargin => give_back(policy).map(|law| Field::Whole(&mut law.margin)),
            Self::Cooldown => return pace(policy, |bounds| Field::Time(&mut bounds.cooldown)),
            Self::CutInterval => {
                return pace(policy, |bounds| Field::Time(&mut bounds.cut_interval));
            }
            Self::LargestCut => {
                return pace(policy, |bounds| Field::Whole(&mut bounds.largest_cut));
            }
            Self::UseHeadroom => {
                return pace(policy, |bounds| Field::Whole(&mut bounds.use_headroom));
            }
        };
        field.into_iter().collect()
    }

    /// A value as people write it.
    #[must_use]
    pub fn shown(self, value: u64) -> String {
        match self.unit() {
            Unit::Whole => value.to_string(),
            Unit::Hundredths => format!("{}.{:02}", value / 100, value % 100),
            Unit::Seconds => humantime::format_duration(Duration::from_nanos(value)).to_string(),
        }
    }

    /// Writes a value into the table of a policy.
    pub(super) fn write(self, policy: &mut Table, value: u64) {
        let written = match self.unit() {
            Unit::Whole => Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)),
            Unit::Hundredths => {
                let hundredths = u32::try_from(value).unwrap_or(u32::MAX);
                Value::Float(f64::from(hundredths) / 100.0)
            }
            Unit::Seconds => Value::String(self.shown(value)),
        };
        let Some((table, key)) = self.key().split_once('.') else {
            policy.insert(self.key().to_owned(), written);
            return;
        };
        let empty = || Value::Table(Table::new());
        let inner = policy.entry(table).or_insert_with(empty);
        if let Value::Table(inner) = inner {
            inner.insert(key.to_owned(), written);
        }
    }
}

fn reactive(kind: &mut Kind) -> Option<&mut Headroom> {
    match kind {
        Kind::Headroom(law) => Some(law),
        Kind::Predictive(law) => Some(&mut law.reactive),
        Kind::Slo(law) => Some(&mut law.reactive),
        Kind::Threshold(_) => None,
    }
}

fn threshold(kind: &mut Kind) -> Option<&mut Threshold> {
    match kind {
        Kind::Threshold(law) => Some(law),
        _ => None,
    }
}

fn give_back(policy: &mut Policy) -> Option<&mut GiveBack> {
    policy.memory.as_mut()?.give_back.as_mut()
}

/// The same of both resources.
fn pace(policy: &mut Policy, field: impl Fn(&mut Bounds<Share>) -> Field<'_>) -> Vec<Field<'_>> {
    let bounds = [policy.cpu.as_mut(), policy.memory.as_mut()];
    bounds.into_iter().flatten().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, tune::Start};

    /// What is tried is what the configuration allows, from end to end of it.
    #[test]
    fn every_value_may_be_written() {
        for kind in crate::tune::KINDS {
            let start = Start::kind(kind, Nanos::SECOND).unwrap();
            for parameter in Parameter::ALL {
                let Some(present) = parameter.of(&start.policy) else {
                    continue;
                };
                for value in parameter.values(present) {
                    let mut values = vec![(parameter, value)];
                    // What must not contradict it.
                    match parameter {
                        Parameter::High | Parameter::Factor => {
                            values.push((Parameter::Low, 0));
                        }
                        Parameter::Low => {
                            values.extend([(Parameter::High, 100), (Parameter::Factor, 105)]);
                        }
                        _ => {}
                    }
                    let text = start.fragment(&values, "");
                    let config = Config::parse(&text, "tuned.toml");
                    let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
                    assert_eq!(parameter.of(&config.policies[0]), Some(value), "{text}");
                }
            }
        }
    }

    #[test]
    fn the_present_value_is_among_those_that_are_tried() {
        let values = Parameter::Margin.values(17);
        assert!(values.contains(&17) && values.is_sorted());
        assert_eq!(values.len(), MARGINS.len() + 1);
        assert_eq!(Parameter::Margin.values(20).len(), MARGINS.len());
    }
}
