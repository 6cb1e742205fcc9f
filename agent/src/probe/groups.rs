//! Tables of groups that have something of their own in the kernel: see [`GROUP_PROBES`].

use aya::{
    Ebpf, Pod,
    maps::{Array, IterableMap as _, Map, MapData},
};
use trimtab_ebpf::{BlockHist, GROUP_FREE, GROUP_GONE, GROUP_PROBES, ReclaimHist, TcpHist};

use super::{
    Error, Options,
    load::{duplicate, map_error, take},
};

/// The ids of the groups, each in a cell that the kernel finds without a hash map.
pub(super) struct Groups {
    name: &'static str,
    ids: Array<MapData, u64>,
    max: u32,
}

impl Groups {
    pub(super) fn new(name: &'static str, map: Map, max: u32) -> Result<Self, Error> {
        let ids = Array::try_from(map).map_err(|source| map_error(name, "open", 0, source))?;
        Ok(Self { name, ids, max })
    }

    pub(super) fn try_clone(&self) -> Result<Self, Error> {
        Self::new(self.name, duplicate(self.name, self.ids.map())?, self.max)
    }

    /// Gives the group `id` a cell, unless it has one. `empty` is called before, with the cell: the
    /// kernel counts as soon as the id is there.
    pub(super) fn insert(
        &mut self,
        id: u64,
        empty: impl FnOnce(u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut vacant = None;
        for index in self.cells(id) {
            let found = self.get(index)?;
            if found == id {
                return Ok(());
            }
            if found == GROUP_FREE || found == GROUP_GONE {
                vacant = vacant.or(Some(index));
            }
            if found == GROUP_FREE {
                break;
            }
        }
        let index = vacant.ok_or(Error::Full {
            map: self.name,
            max: self.max,
        })?;
        empty(index)?;
        self.set(index, id)
    }

    /// Takes the group's cell away. `false` when it had none.
    pub(super) fn remove(&mut self, id: u64) -> Result<bool, Error> {
        match self.find(id)? {
            Some(index) => self.set(index, GROUP_GONE).map(|()| true),
            None => Ok(false),
        }
    }

    /// The cell of a group.
    pub(super) fn find(&self, id: u64) -> Result<Option<u32>, Error> {
        for index in self.cells(id) {
            match self.get(index)? {
                found if found == id => return Ok(Some(index)),
                GROUP_FREE => break,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Every group with its cell, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = Result<(u32, u64), Error>> {
        (0..self.ids.len())
            .map(|index| Ok((index, self.get(index)?)))
            .filter(|cell| !matches!(cell, Ok((_, GROUP_FREE | GROUP_GONE))))
    }

    /// Where the kernel looks for a group.
    fn cells(&self, id: u64) -> impl Iterator<Item = u32> + use<> {
        let mask = self.ids.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the mask is a u32")]
        let first = (id & u64::from(mask)) as u32;
        (0..GROUP_PROBES).map(move |probe| (first + probe) & mask)
    }

    fn get(&self, index: u32) -> Result<u64, Error> {
        self.ids
            .get(&index, 0)
            .map_err(|source| map_error(self.name, "lookup", index.into(), source))
    }

    fn set(&mut self, index: u32, id: u64) -> Result<(), Error> {
        self.ids
            .set(index, id, 0)
            .map_err(|source| map_error(self.name, "update", id, source))
    }
}

/// What lies beside such a table: one value for each of its cells.
pub(super) struct Values<T: Value> {
    name: &'static str,
    values: Array<MapData, Entry<T>>,
}

#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Entry<T: Value>(T);

/// Shared with the kernel as it lies in memory.
///
/// # Safety
/// `repr(C)`, plain integers, without padding.
pub unsafe trait Value: Copy + Default + 'static {}

// SAFETY: what the trait asks of `T` holds for the wrapper, which is transparent.
unsafe impl<T: Value> Pod for Entry<T> {}
// SAFETY: integers of one size.
unsafe impl Value for ReclaimHist {}
// SAFETY: as above.
unsafe impl Value for BlockHist {}
// SAFETY: as above.
unsafe impl Value for TcpHist {}

impl<T: Value> Values<T> {
    pub(super) fn new(name: &'static str, map: Map) -> Result<Self, Error> {
        let values = Array::try_from(map).map_err(|source| map_error(name, "open", 0, source))?;
        Ok(Self { name, values })
    }

    pub(super) fn try_clone(&self) -> Result<Self, Error> {
        Self::new(self.name, duplicate(self.name, self.values.map())?)
    }

    pub(super) fn get(&self, index: u32) -> Result<T, Error> {
        let Entry(value) = self
            .values
            .get(&index, 0)
            .map_err(|source| map_error(self.name, "lookup", index.into(), source))?;
        Ok(value)
    }

    pub(super) fn set(&mut self, index: u32, value: T) -> Result<(), Error> {
        self.values
            .set(index, Entry(value), 0)
            .map_err(|source| map_error(self.name, "update", index.into(), source))
    }
}

/// A histogram for each registered group. They only ever grow.
pub struct Hists<T: Value> {
    groups: Groups,
    hists: Values<T>,
}

impl<T: Value> Hists<T> {
    pub(super) fn of(
        object: &mut Ebpf,
        groups: &'static str,
        hists: &'static str,
        options: &Options,
    ) -> Result<Self, Error> {
        Ok(Self {
            groups: Groups::new(groups, take(object, groups)?, options.max_groups)?,
            hists: Values::new(hists, take(object, hists)?)?,
        })
    }

    /// Starts a histogram for the group `id`; one that is there goes on.
    ///
    /// # Errors
    /// [`Error::Full`], or the system call's error.
    pub fn register(&mut self, id: u64) -> Result<(), Error> {
        let hists = &mut self.hists;
        self.groups
            .insert(id, |index| hists.set(index, T::default()))
    }

    /// Drops the histogram of the group `id`. `false` when there was none.
    ///
    /// # Errors
    /// The system call's error.
    pub fn unregister(&mut self, id: u64) -> Result<bool, Error> {
        self.groups.remove(id)
    }

    /// The histogram of the group `id` since it was registered; `None` when it is not.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read(&self, id: u64) -> Result<Option<T>, Error> {
        let find = self.groups.find(id)?;
        find.map(|index| self.hists.get(index)).transpose()
    }
}
