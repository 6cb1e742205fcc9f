//! A table of the groups of which the kernel keeps histograms: see [`trimtab_ebpf::RUNQ_PROBES`].

use aya::maps::{Array, IterableMap as _, Map, MapData};
use trimtab_ebpf::{RUNQ_FREE, RUNQ_GONE, RUNQ_PROBES};

use super::{
    Error,
    load::{duplicate, map_error},
};

/// One table. What belongs to a group lies at the same index of the arrays beside it.
pub(super) struct Groups {
    map: &'static str,
    ids: Array<MapData, u64>,
    max: u32,
}

impl Groups {
    pub(super) fn new(map: &'static str, ids: Map, max: u32) -> Result<Self, Error> {
        let ids = Array::try_from(ids).map_err(|source| map_error(map, "open", 0, source))?;
        Ok(Self { map, ids, max })
    }

    pub(super) fn try_clone(&self) -> Result<Self, Error> {
        Self::new(self.map, duplicate(self.map, self.ids.map())?, self.max)
    }

    /// Where to put the group `id`; `None` when it is there.
    pub(super) fn vacancy(&self, id: u64) -> Result<Option<u32>, Error> {
        let mut vacant = None;
        for index in self.cells(id) {
            let found = self.get(index)?;
            if found == id {
                return Ok(None);
            }
            if found == RUNQ_FREE || found == RUNQ_GONE {
                vacant = vacant.or(Some(index));
            }
            if found == RUNQ_FREE {
                break;
            }
        }
        vacant.map(Some).ok_or(Error::Full {
            map: self.map,
            max: self.max,
        })
    }

    /// The kernel counts as soon as the id is there: what belongs to it has to be empty by then.
    pub(super) fn put(&mut self, index: u32, id: u64) -> Result<(), Error> {
        self.ids
            .set(index, id, 0)
            .map_err(|source| map_error(self.map, "update", id, source))
    }

    /// Takes the group `id` out. `false` when it was not there.
    pub(super) fn remove(&mut self, id: u64) -> Result<bool, Error> {
        match self.find(id)? {
            Some(index) => self.put(index, RUNQ_GONE).map(|()| true),
            None => Ok(false),
        }
    }

    /// Where the group `id` is.
    pub(super) fn find(&self, id: u64) -> Result<Option<u32>, Error> {
        for index in self.cells(id) {
            match self.get(index)? {
                found if found == id => return Ok(Some(index)),
                RUNQ_FREE => break,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Hands every group to `each`, with its index.
    pub(super) fn for_each(
        &self,
        mut each: impl FnMut(u32, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for index in 0..self.ids.len() {
            let id = self.get(index)?;
            if id != RUNQ_FREE && id != RUNQ_GONE {
                each(index, id)?;
            }
        }
        Ok(())
    }

    /// Where the kernel looks for a group.
    fn cells(&self, id: u64) -> impl Iterator<Item = u32> + use<> {
        let mask = self.ids.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the mask is a u32")]
        let first = (id & u64::from(mask)) as u32;
        (0..RUNQ_PROBES).map(move |probe| (first + probe) & mask)
    }

    fn get(&self, index: u32) -> Result<u64, Error> {
        self.ids
            .get(&index, 0)
            .map_err(|source| map_error(self.map, "lookup", index.into(), source))
    }
}
