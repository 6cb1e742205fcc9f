//! Language runtimes in a workload, found when somebody asks: nothing is decided by them.

use std::path::PathBuf;

use trimtab_core::{
    decide::Bounds,
    signal::{Amount, Mode, Resource},
};

use super::{agent::Agent, workload::Workload};
use crate::{
    api::view,
    identity::runtime::{Found, Looks},
    sense::runtime::Runtimes,
};

/// What there is to be known of a workload before its processes are looked at.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// Where its group is.
    dir: Option<PathBuf>,
    /// Which limits may be trimmed without a bound on what is seen.
    unbounded: [bool; 2],
    /// Whether the memory limit that moves is not the hard one.
    high: bool,
}

impl Agent {
    /// What there is to be known of a workload before its processes are looked at.
    pub(super) fn sizes(&self, workload: &Workload) -> Sizes {
        let root = self.hierarchies.cpu.as_ref();
        let root = root.or(self.hierarchies.memory.as_ref());
        let acts = workload.mode != Mode::Observe;
        let trims = |resource, bounds: &Bounds| {
            let gives = resource == Resource::Cpu || bounds.give_back.is_some();
            acts && bounds.trim && gives && bounds.visible == Amount::ZERO
        };
        Sizes {
            dir: root.map(|root| root.group(&workload.group.path)),
            unbounded: Resource::ALL.map(|resource| {
                let limit = workload.limits[resource.index()].as_ref();
                limit.is_some_and(|limit| trims(resource, &limit.bounds))
            }),
            high: workload
                .seen
                .memory
                .is_some_and(|memory| memory.held != memory.hard),
        }
    }
}

impl Sizes {
    /// The runtimes there are, and which keys would bound what trims show each.
    pub(super) fn runtimes(&self, runtimes: &mut Runtimes) -> Vec<view::Runtime> {
        let found = self.dir.as_deref().map(|dir| runtimes.of(dir));
        let found = found.into_iter().flatten();
        found
            .map(|(found, processes)| self.view(&found, processes))
            .collect()
    }

    fn view(&self, found: &Found, processes: u32) -> view::Runtime {
        let [cpu, memory] = self.unbounded;
        let is_shown = !self.high || found.minds_high();
        let keys = [
            (cpu && found.cpu() != Looks::Never, "visible_cpus_min"),
            (
                memory && is_shown && found.memory() != Looks::Never,
                "visible_memory_min",
            ),
        ];
        view::Runtime {
            name: found.runtime.name().into(),
            version: found.version.clone(),
            processes,
            sizing: found.sizing().into(),
            unbounded: keys
                .into_iter()
                .filter(|(is_missing, _)| *is_missing)
                .map(|(_, key)| key.to_owned())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::runtime::Runtime;

    #[test]
    fn only_what_a_runtime_looks_at_needs_a_bound() {
        let sizes = |cpu, memory, high| Sizes {
            dir: None,
            unbounded: [cpu, memory],
            high,
        };
        let (java, node) = (Found::new(Runtime::Java), Found::new(Runtime::Node));
        let python = Found::new(Runtime::Python);
        let keys = |sizes: &Sizes, found: &Found| sizes.view(found, 1).unbounded.join(" ");
        let hard = sizes(true, true, false);
        assert_eq!(keys(&hard, &java), "visible_cpus_min visible_memory_min");
        assert_eq!(keys(&hard, &node), "visible_memory_min");
        assert_eq!(keys(&hard, &python), "");
        // `memory.high` is no limit to most.
        let high = sizes(true, true, true);
        assert_eq!(keys(&high, &java), "visible_cpus_min");
        assert_eq!(keys(&high, &node), "visible_memory_min");
        let bounded = sizes(false, false, false);
        assert_eq!(keys(&bounded, &java), "");
    }
}
