//! `memory.*` of a policy.

use serde_spanned::Spanned;
use trimtab_core::{
    decide::{Bounds, GiveBack},
    signal::{Nanos, Resource},
};

use super::{Checker, policy::LONGEST};
use crate::config::{
    raw::{self, MemoryPolicy},
    units::{Memory, Share},
};

impl Checker<'_> {
    /// Bounds like those of CPU, and how what is not needed is given back.
    pub(super) fn memory(&mut self, policy: &raw::Policy) -> Option<Bounds<Share>> {
        let keys = policy.memory.as_ref();
        let raw = keys.map(|keys| Spanned::new(keys.span(), keys.get_ref().bounds()));
        let bounds = self.bounds(Resource::Memory, policy, raw.as_ref(), |Memory(share)| {
            share
        });
        let give_back = keys.and_then(|keys| self.give_back(keys.get_ref()));
        Some(Bounds {
            give_back,
            ..bounds?
        })
    }

    fn give_back(&mut self, keys: &raw::MemoryBounds) -> Option<GiveBack> {
        let default = GiveBack::default();
        let give_back = GiveBack {
            percentile: self.whole(
                keys.percentile.as_ref(),
                "memory.percentile",
                1..=100,
                default.percentile,
            ),
            window: self.duration(
                keys.window.as_ref(),
                "memory.window",
                Nanos(5 * Nanos::SECOND.0)..=LONGEST,
                default.window,
            ),
            margin: self.whole(
                keys.margin.as_ref(),
                "memory.margin",
                0..=1000,
                default.margin,
            ),
        };
        let kind = keys.policy.as_ref().map(|key| *key.get_ref());
        if kind == Some(MemoryPolicy::Pressure) {
            return Some(give_back);
        }
        let unused = [
            ("percentile", keys.percentile.as_ref().map(Spanned::span)),
            ("window", keys.window.as_ref().map(Spanned::span)),
            ("margin", keys.margin.as_ref().map(Spanned::span)),
        ];
        for (name, span) in unused {
            if let Some(span) = span {
                self.wrong(
                    span,
                    format!(
                        "`memory.{name}` is for memory that is given back, and this policy keeps it"
                    ),
                    format!("remove `memory.{name}`, or write memory.policy = \"pressure\""),
                );
            }
        }
        None
    }
}
