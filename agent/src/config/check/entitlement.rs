//! `priority` and `weight` of a policy.

use serde_spanned::Spanned;
use trimtab_core::decide::Entitlement;

use super::Checker;
use crate::config::raw;

impl Checker<'_> {
    /// How its workloads stand among others, which is one for both resources.
    pub(super) fn entitlement(&mut self, raw: &raw::Policy) -> Entitlement {
        let default = Entitlement::default();
        let weight = self.whole(
            raw.weight.as_ref(),
            "weight",
            1..=Entitlement::HEAVIEST.into(),
            default.weight.into(),
        );
        let priority = raw.priority.clone();
        Entitlement {
            weight: u16::try_from(weight).unwrap_or(default.weight),
            priority: priority.map_or(default.priority, Spanned::into_inner),
        }
    }
}
