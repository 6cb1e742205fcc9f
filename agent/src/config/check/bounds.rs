//! Floor, ceiling and step of one resource.

use std::ops::Range;

use serde_spanned::Spanned;
use trimtab_core::{
    decide::Bounds,
    signal::{Amount, Resource},
};

use super::Checker;
use crate::config::{
    raw::{self, Key},
    schema::default_bounds,
    units::Share,
};

/// The least CPU limit: 1 ms in the kernel's default period of 100 ms.
const LEAST_CPU: Amount = Amount(1_000);

/// The least memory limit that any process can live under.
const LEAST_MEMORY: Amount = Amount(1 << 20);

impl Checker<'_> {
    pub(super) fn bounds<T: Copy>(
        &mut self,
        resource: Resource,
        policy: &raw::Policy,
        raw: Option<&Spanned<raw::Bounds<T>>>,
        share: impl Fn(T) -> Share,
    ) -> Option<Bounds<Share>> {
        let name = match resource {
            Resource::Cpu => "cpu",
            Resource::Memory => "memory",
        };
        let listed = policy.resources.as_ref().map(Spanned::get_ref);
        if listed.is_some_and(|listed| !listed.iter().any(|one| *one.get_ref() == resource)) {
            if let Some(raw) = raw {
                self.wrong(
                    first_key(raw),
                    format!("the policy sets bounds for {name} and does not manage it"),
                    format!("add \"{name}\" to `resources`, or remove the bounds"),
                );
            }
            return None;
        }
        let default = default_bounds(resource);
        let Some(raw) = raw else { return Some(default) };
        let keys = raw.get_ref();
        let value = |key: &Key<T>, default: Share| {
            key.as_ref().map_or(default, |key| share(*key.get_ref()))
        };
        let bounds = Bounds {
            floor: value(&keys.floor, default.floor),
            default_floor: keys.floor.is_none(),
            ceiling: value(&keys.ceiling, default.ceiling),
            step: value(&keys.step, default.step),
            ..default
        };
        self.least(
            resource,
            keys.floor.as_ref().map(Spanned::span),
            bounds.floor,
            "floor",
        );
        self.least(
            resource,
            keys.ceiling.as_ref().map(Spanned::span),
            bounds.ceiling,
            "ceiling",
        );
        if let Some(key) = keys.step.as_ref().filter(|_| is_nothing(bounds.step)) {
            self.wrong(
                key.span(),
                "a step of nothing lifts nothing",
                "write the least that is worth a write",
            );
        }
        if self.exceeds(resource, bounds.floor, bounds.ceiling)
            && let Some(key) = keys.floor.as_ref().or(keys.ceiling.as_ref())
        {
            self.wrong(
                key.span(),
                format!("the {name} floor lies above the ceiling"),
                "the floor is what is guaranteed, the ceiling the most there may be: lower the one or raise the other",
            );
        }
        Some(bounds)
    }

    /// Whether one bound lies above another one, as far as that can be known here.
    pub(super) fn exceeds(&self, resource: Resource, one: Share, other: Share) -> bool {
        match (one, other, self.node) {
            (Share::Amount(one), Share::Amount(other), _) => one > other,
            (Share::OfNode(one), Share::OfNode(other), _) => one > other,
            (one, other, Some(node)) => {
                let capacity = node.capacity(resource);
                one.of(capacity) > other.of(capacity)
            }
            (_, _, None) => false,
        }
    }

    /// Below the least amount the kernel refuses, or nothing can run.
    fn least(&mut self, resource: Resource, key: Option<Range<usize>>, share: Share, name: &str) {
        let Some(span) = key else { return };
        let (least, text) = match resource {
            Resource::Cpu => (
                LEAST_CPU,
                "0.001 CPU, which is 1 ms in the longest period, 1 s",
            ),
            Resource::Memory => (LEAST_MEMORY, "\"1MiB\""),
        };
        let too_small = match share {
            Share::Amount(amount) => amount < least,
            Share::OfNode(part) => part == 0,
        };
        if too_small {
            self.wrong(
                span,
                format!("a `{name}` this small cannot be set"),
                format!("write at least {text}"),
            );
        }
    }
}

fn is_nothing(share: Share) -> bool {
    matches!(share, Share::Amount(Amount::ZERO) | Share::OfNode(0))
}

/// The place of the first key of a table of bounds, or of the table.
fn first_key<T>(raw: &Spanned<raw::Bounds<T>>) -> Range<usize> {
    let keys = raw.get_ref();
    [&keys.floor, &keys.ceiling, &keys.step]
        .into_iter()
        .flatten()
        .map(Spanned::span)
        .min_by_key(|span| span.start)
        .unwrap_or_else(|| raw.span())
}
