//! `cpu.*` of a policy.

use serde_spanned::Spanned;
use trimtab_core::{decide::Bounds, signal::Resource};

use super::Checker;
use crate::config::{
    raw::{self, CpuPolicy},
    units::{Cpu, Share},
};

impl Checker<'_> {
    /// Between which amounts a quota may move; `None` where there is none, and then whether weight alone
    /// shares CPU out.
    pub(super) fn cpu(&mut self, policy: &raw::Policy) -> (Option<Bounds<Share>>, bool) {
        let keys = policy.cpu.as_ref();
        let raw = keys.map(|keys| Spanned::new(keys.span(), keys.get_ref().bounds()));
        let bounds = self.bounds(Resource::Cpu, policy, raw.as_ref(), |Cpu(share)| share);
        let kind = keys.and_then(|keys| keys.get_ref().policy.as_ref());
        if kind.is_none_or(|kind| *kind.get_ref() == CpuPolicy::Limit) {
            return (bounds, false);
        }
        if let Some(keys) = keys {
            self.without_quota(keys.get_ref());
        }
        (None, bounds.is_some())
    }

    /// Nothing may be said about a quota that there is not.
    fn without_quota(&mut self, keys: &raw::CpuBounds) {
        let unused = [
            ("floor", keys.floor.as_ref().map(Spanned::span)),
            ("ceiling", keys.ceiling.as_ref().map(Spanned::span)),
            ("step", keys.step.as_ref().map(Spanned::span)),
        ];
        for (name, span) in unused {
            if let Some(span) = span {
                self.wrong(
                    span,
                    format!("`cpu.{name}` is for a quota, and this policy has none"),
                    format!("remove `cpu.{name}`, or write cpu.policy = \"limit\""),
                );
            }
        }
    }
}
