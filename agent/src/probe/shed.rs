//! Probes that are taken off and put back while the others go on.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::{
    Pod,
    maps::{HashMap, Map},
};
use memmap2::MmapOptions;

use super::{
    Error, Probe, ProbeSet, State,
    hook::Hook,
    load::{Probes, map_error},
    programs::Program,
};

/// The map of tasks that wait, of which nothing is known after a while in which nobody looked.
const CELLS: &str = "CELLS";

impl Probes {
    /// Has these probes off, and those that need them, and all others that were loaded on; why, says
    /// [`Probes::status`].
    ///
    /// # Errors
    /// A program cannot be attached or detached: what has been done until then stays.
    pub fn shed<'a>(
        &mut self,
        shed: impl IntoIterator<Item = (Probe, &'a str)>,
    ) -> Result<(), Error> {
        let mut plan = self.plan.clone();
        for (probe, why) in shed {
            if plan.wanted().has(probe) {
                plan.lower(probe, State::Off, why);
            }
        }
        plan.depend();
        let (before, on) = (self.on, plan.wanted());
        let returns = |probe| on.has(probe) && !before.has(probe);
        if returns(Probe::RunqLatency) {
            self.forget_waits()?;
        }
        if returns(Probe::ReclaimLatency) {
            self.forget_begun::<u32>("RECLAIMING")?;
        }
        if returns(Probe::BlockLatency) {
            self.forget_begun::<u64>("ISSUED")?;
        }
        for hook in &mut self.hooks {
            hook.serve(&mut self.object, on)?;
        }
        self.on = on;
        self.status = plan.status;
        Ok(())
    }

    /// Whether a probe is on, or would be were it not shed.
    #[must_use]
    pub const fn may_have(&self, probe: Probe) -> bool {
        self.plan.wanted().has(probe)
    }

    /// The probes that are on, wholly or in part.
    #[must_use]
    pub const fn on(&self) -> ProbeSet {
        self.on
    }

    /// Whether a program is attached.
    pub(super) fn attached(&self, program: &Program) -> bool {
        let mut attached = self.hooks.iter().filter_map(Hook::program);
        attached.any(|one| one == program)
    }

    /// Empties the cells of tasks that wait: one noted before the probe was shed would seem to have
    /// waited ever since.
    fn forget_waits(&mut self) -> Result<(), Error> {
        let Some(Map::Array(cells)) = self.object.map(CELLS) else {
            return Err(Error::Missing {
                what: "map",
                name: CELLS,
            });
        };
        let length = self.cell_bytes;
        // SAFETY: the map is as long, and nobody else looks at it while its programs are detached.
        let mapped = unsafe {
            MmapOptions::new()
                .len(length)
                .map_mut(cells.fd().as_fd().as_raw_fd())
        };
        let refused = |source| Error::Mmap { map: CELLS, source };
        mapped.map_err(refused)?.fill(0);
        Ok(())
    }

    /// Empties a map of when things began, for the same reason.
    fn forget_begun<K: Pod>(&mut self, name: &'static str) -> Result<(), Error> {
        let refused = |call| move |source| map_error(name, call, 0, source);
        let map = self
            .object
            .map_mut(name)
            .ok_or(Error::Missing { what: "map", name })?;
        let mut begun = HashMap::<_, K, u64>::try_from(map).map_err(refused("open"))?;
        let keys = begun.keys().collect::<Result<Vec<_>, _>>();
        for key in keys.map_err(refused("lookup"))? {
            begun.remove(&key).map_err(refused("delete"))?;
        }
        Ok(())
    }
}
