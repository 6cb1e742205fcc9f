//! The space that is searched: some parameters of a policy, and the values that each may have.

use trimtab_core::{
    decide::{Policy as Kind, Threshold},
    tune::Point,
};

use super::{parameter::Parameter, start::Start};
use crate::config::Policy;

/// Some parameters of a policy, and the values that each may have.
#[derive(Clone, Debug)]
pub struct Space {
    start: Start,
    axes: Vec<Axis>,
}

#[derive(Clone, Debug)]
struct Axis {
    parameter: Parameter,
    /// Ascending.
    values: Vec<u64>,
    /// Which of them the policy has now.
    start: u32,
}

/// A policy has no such parameter.
#[derive(Debug, thiserror::Error)]
#[error("the policy has no `{name}` to tune; it has {there}")]
pub struct NoParameter {
    /// What was given.
    pub name: &'static str,
    /// Those that there are.
    pub there: String,
}

impl Space {
    /// Of these parameters, or if none are named of all that are the policy's own: what bounds every policy stays as it
    /// is unless it is named.
    ///
    /// # Errors
    /// The policy has no use for one of them.
    pub fn new(start: Start, named: &[Parameter]) -> Result<Self, NoParameter> {
        let all = Parameter::ALL.into_iter();
        let all = all.filter_map(|parameter| Some((parameter, parameter.of(&start.policy)?)));
        let all: Vec<_> = all.collect();
        if let Some(missing) = named
            .iter()
            .find(|one| !all.iter().any(|(other, _)| other == *one))
        {
            let there: Vec<_> = all.iter().map(|(parameter, _)| parameter.key()).collect();
            return Err(NoParameter {
                name: missing.key(),
                there: there.join(", "),
            });
        }
        let wanted = |parameter: Parameter| {
            named.contains(&parameter) || (named.is_empty() && !parameter.is_guardrail())
        };
        let axes = all.into_iter().filter(|(parameter, _)| wanted(*parameter));
        let axes = axes.map(|(parameter, present)| {
            let values = parameter.values(present);
            let before = values.iter().filter(|value| **value < present).count();
            Axis {
                parameter,
                start: u32::try_from(before).unwrap_or(0),
                values,
            }
        });
        Ok(Self {
            axes: axes.collect(),
            start,
        })
    }

    /// The policy that is there already.
    #[must_use]
    pub const fn start(&self) -> &Start {
        &self.start
    }

    /// The parameters, in the order of a point's positions.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        self.axes.iter().map(|axis| axis.parameter)
    }

    /// How many values each has.
    pub(super) fn lengths(&self) -> Vec<u32> {
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        lengths
            .map(|length| u32::try_from(length).unwrap_or(u32::MAX))
            .collect()
    }

    /// Where the policy stands now.
    #[must_use]
    pub fn present(&self) -> Point {
        self.axes.iter().map(|axis| axis.start).collect()
    }

    /// Each parameter with its value at a point.
    #[must_use]
    pub fn values(&self, point: &Point) -> Vec<(Parameter, u64)> {
        let axes = self.axes.iter().zip(point);
        let value = |axis: &Axis, position: u32| axis.values.get(position as usize).copied();
        axes.filter_map(|(axis, position)| Some((axis.parameter, value(axis, *position)?)))
            .collect()
    }

    /// The policy at a point.
    #[must_use]
    pub fn policy(&self, point: &Point) -> Policy {
        let mut policy = self.start.policy.clone();
        for (parameter, value) in self.values(point) {
            parameter.set(&mut policy, value);
        }
        policy
    }

    /// Makes a point whose values contradict each other one whose values do not: `low` goes down as far as it must,
    /// and where that is not enough the thresholds are those of now.
    pub(super) fn mend(&self, point: &mut Point) {
        let thresholds = [Parameter::High, Parameter::Low, Parameter::Factor];
        while !agrees(&self.policy(point).kind) {
            let place = self.parameters().position(|one| one == Parameter::Low);
            let low = place.and_then(|place| point.get_mut(place));
            if let Some(low) = low.filter(|low| **low > 0) {
                *low -= 1;
                continue;
            }
            for (axis, position) in self.axes.iter().zip(point.iter_mut()) {
                if thresholds.contains(&axis.parameter) {
                    *position = axis.start;
                }
            }
            return;
        }
    }
}

/// What the configuration asks of thresholds.
const fn agrees(kind: &Kind) -> bool {
    match kind {
        Kind::Threshold(Threshold {
            high, low, factor, ..
        }) => *low < *high && *low * *factor <= *high * 100,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use proptest::prelude::*;
    use trimtab_core::signal::Nanos;

    fn space(kind: &str, named: &[Parameter]) -> Space {
        Space::new(Start::kind(kind, Nanos::SECOND).unwrap(), named).unwrap()
    }

    #[test]
    fn guardrails_are_searched_only_where_they_are_named() {
        let keys = |space: &Space| space.parameters().map(Parameter::key).collect::<Vec<_>>();
        assert_eq!(
            keys(&space("headroom", &[])),
            ["percentile", "window", "margin"]
        );
        assert_eq!(
            keys(&space("threshold", &[])),
            ["high", "low", "for", "factor"]
        );
        assert_eq!(keys(&space("memory", &[])).len(), 6);
        let named = [Parameter::Cooldown, Parameter::Margin];
        assert_eq!(keys(&space("slo", &named)), ["margin", "cooldown"]);
        let wrong = Space::new(
            Start::kind("slo", Nanos::SECOND).unwrap(),
            &[Parameter::Lead],
        );
        let told = wrong.unwrap_err().to_string();
        assert!(
            told.starts_with("the policy has no `lead` to tune; it has percentile, window"),
            "{told}"
        );
    }

    #[test]
    fn the_present_point_is_the_present_policy() {
        for kind in crate::tune::KINDS {
            let space = space(kind, &[]);
            assert_eq!(space.policy(&space.present()), space.start().policy);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whatever is tried can be written into a configuration, and is what stands there then.
        #[test]
        fn every_mended_point_is_a_policy(random in prop::collection::vec(any::<u32>(), 6)) {
            let few = [Parameter::High, Parameter::Factor];
            let spaces = crate::tune::KINDS.map(|kind| space(kind, &[]));
            for space in spaces.iter().chain([&space("threshold", &few)]) {
                let lengths = space.lengths();
                let point = lengths.iter().zip(&random).map(|(length, random)| random % length);
                let mut point: Point = point.collect();
                space.mend(&mut point);
                let text = space.start().fragment(&space.values(&point), "");
                let config = Config::parse(&text, "tuned.toml");
                let config = config.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
                prop_assert_eq!(&config.policies[..], &[space.policy(&point)]);
            }
        }
    }
}
