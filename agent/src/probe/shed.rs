//! Probes that are taken off and put back while the others go on.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::Map;
use memmap2::MmapOptions;

use super::{Error, Probe, ProbeSet, State, hook::Hook, load::Probes, programs::Program};

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
        if on.has(Probe::RunqLatency) && !before.has(Probe::RunqLatency) {
            self.forget_waits()?;
        }
        for hook in &mut self.hooks {
            hook.serve(&mut self.object, on)?;
        }
        self.on = on;
        self.status = plan.status;
        Ok(())
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
        mapped.map_err(Error::Cells)?.fill(0);
        Ok(())
    }
}
