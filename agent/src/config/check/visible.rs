//! `visible_cpus_min` and `visible_memory_min` of a policy.

use std::ops::Range;

use trimtab_core::{decide::Bounds, signal::Resource};

use super::Checker;
use crate::config::{raw, units::Share};

/// Bounds of CPU and of memory; `None` for one that is not managed.
type Both = (Option<Bounds<Share>>, Option<Bounds<Share>>);

impl Checker<'_> {
    /// The same bounds, with the least that applications are to see.
    pub(super) fn visible(
        &mut self,
        raw: &raw::Policy,
        cpu: Option<Bounds<Share>>,
        memory: Option<Bounds<Share>>,
    ) -> Both {
        let cpus = raw.visible_cpus_min.as_ref();
        let bytes = raw.visible_memory_min.as_ref();
        let cpus = cpus.map(|key| (key.span(), key.get_ref().0));
        let bytes = bytes.map(|key| (key.span(), key.get_ref().0));
        (
            self.seen(Resource::Cpu, "visible_cpus_min", cpus, cpu),
            self.seen(Resource::Memory, "visible_memory_min", bytes, memory),
        )
    }

    fn seen(
        &mut self,
        resource: Resource,
        name: &str,
        key: Option<(Range<usize>, Share)>,
        bounds: Option<Bounds<Share>>,
    ) -> Option<Bounds<Share>> {
        let Some((span, visible)) = key else {
            return bounds;
        };
        let Some(bounds) = bounds else {
            self.wrong(
                span,
                format!("`{name}` bounds trims of {resource}, which the policy does not manage"),
                format!("add \"{resource}\" to `resources`, or remove `{name}`"),
            );
            return None;
        };
        if self.exceeds(resource, visible, bounds.ceiling) {
            self.wrong(
                span,
                format!("`{name}` lies above the {resource} ceiling"),
                "no limit is lifted that far: lower the one or raise the other",
            );
        }
        Some(Bounds { visible, ..bounds })
    }
}
