//! Tables of groups that have something of their own in the kernel: see [`GroupCell`].

use std::collections::BTreeSet;

use aya::{
    Ebpf, Pod,
    maps::{Array, Map, MapData},
};
use trimtab_ebpf::{
    BlockHist, GROUP_FREE, GROUP_GONE, GROUP_OTHERS, GROUP_PROBES, GroupCell, ReclaimHist, TcpHist,
};

use super::{
    Error, Options,
    load::{map_error, take},
};

/// Which group's histogram is where, found by the kernel without a hash map. There are fewer
/// histograms than groups may be told of: those that come when none is left share one, and the
/// first of them gets the next that becomes free.
pub(super) struct Groups {
    name: &'static str,
    map: Array<MapData, Cell>,
    /// What is in the map: only this side writes there, and to ask takes a system call.
    cells: Vec<GroupCell>,
    /// Histograms that are nobody's.
    free: Vec<u64>,
    /// Groups that share one.
    others: BTreeSet<u64>,
}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Cell(GroupCell);

// SAFETY: `GroupCell` is `repr(C)`, integers of one size.
unsafe impl Pod for Cell {}

impl Groups {
    /// The table in a map that is new, with so many histograms beside the one that is shared.
    pub(super) fn new(name: &'static str, map: Map, hists: u32) -> Result<Self, Error> {
        let map: Array<_, Cell> =
            Array::try_from(map).map_err(|source| map_error(name, "open", 0, source))?;
        Ok(Self {
            name,
            cells: vec![GroupCell::default(); map.len() as usize],
            map,
            // The lowest first, so that the pages of the others stay untouched.
            free: (1..=u64::from(hists)).rev().collect(),
            others: BTreeSet::new(),
        })
    }

    /// Gives the group `id` a histogram, unless it has one. `empty` is called before, with its place:
    /// the kernel counts as soon as the id is there.
    pub(super) fn insert(
        &mut self,
        id: u64,
        empty: impl FnOnce(u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut vacant = None;
        for index in self.places(id) {
            let found = self.cells[index].id;
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
            max: self.map.len() / 2,
        })?;
        let hist = self.free.last().copied().unwrap_or(GROUP_OTHERS);
        if hist != GROUP_OTHERS {
            empty(place(hist))?;
        }
        // The kernel must not see the id beside somebody else's histogram.
        let gone = GroupCell {
            id: GROUP_GONE,
            hist,
        };
        self.set(index, gone)?;
        self.set(index, GroupCell { id, hist })?;
        if self.free.pop().is_none() {
            self.others.insert(id);
        }
        Ok(())
    }

    /// Takes the group's histogram away, and gives it to one of those that share; `empty` is called
    /// before. `false` when the group had none.
    pub(super) fn remove(
        &mut self,
        id: u64,
        empty: impl FnOnce(u32) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let Some((index, cell)) = self.cell(id) else {
            return Ok(false);
        };
        let gone = GroupCell {
            id: GROUP_GONE,
            hist: GROUP_OTHERS,
        };
        self.set(index, gone)?;
        if cell.hist == GROUP_OTHERS {
            self.others.remove(&id);
            return Ok(true);
        }
        self.free.push(cell.hist);
        let Some(next) = self.others.first().copied() else {
            return Ok(true);
        };
        if let Some((index, _)) = self.cell(next) {
            empty(place(cell.hist))?;
            let hist = cell.hist;
            self.set(index, GroupCell { id: next, hist })?;
            self.free.pop();
        }
        self.others.pop_first();
        Ok(true)
    }

    /// Where the group's own histogram is.
    pub(super) fn find(&self, id: u64) -> Option<u32> {
        self.cell(id).and_then(|(_, cell)| own_place(cell))
    }

    /// Where the group's cell is, in whatever histogram it counts.
    pub(super) fn cell_of(&self, id: u64) -> Option<usize> {
        self.cell(id).map(|(index, _)| index)
    }

    /// How many groups share a histogram.
    pub(super) fn others(&self) -> usize {
        self.others.len()
    }

    /// Every group that has a histogram of its own, with the place of that, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, u64)> {
        let used = |cell: &&GroupCell| !matches!(cell.id, GROUP_FREE | GROUP_GONE);
        let cells = self.cells.iter().filter(used);
        cells.filter_map(|cell| Some((own_place(*cell)?, cell.id)))
    }

    /// The group's cell, and what is in it.
    fn cell(&self, id: u64) -> Option<(usize, GroupCell)> {
        let cells = self.places(id).map(|index| (index, self.cells[index]));
        let mut until_free = cells.take_while(|(_, cell)| cell.id != GROUP_FREE);
        until_free.find(|(_, cell)| cell.id == id)
    }

    /// Where the kernel looks for a group.
    fn places(&self, id: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.cells.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the mask is a u32")]
        let first = (id & mask as u64) as usize;
        (0..GROUP_PROBES as usize).map(move |probe| (first + probe) & mask)
    }

    fn set(&mut self, index: usize, cell: GroupCell) -> Result<(), Error> {
        let at = u32::try_from(index).unwrap_or(u32::MAX);
        self.map
            .set(at, Cell(cell), 0)
            .map_err(|source| map_error(self.name, "update", cell.id, source))?;
        self.cells[index] = cell;
        Ok(())
    }
}

/// Where a group's histogram is, if it has one of its own.
fn own_place(cell: GroupCell) -> Option<u32> {
    (cell.hist != GROUP_OTHERS).then(|| place(cell.hist))
}

/// The index of a histogram as arrays want it.
pub(super) fn place(hist: u64) -> u32 {
    u32::try_from(hist).unwrap_or(u32::MAX)
}

/// What lies beside such a table: one value for each histogram, the shared one first.
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
            groups: Groups::new(groups, take(object, groups)?, options.own_hists())?,
            hists: Values::new(hists, take(object, hists)?)?,
        })
    }

    /// Counts for the group `id` from now on: in a histogram of its own, or in the one for others
    /// where none is left. One that is there goes on.
    ///
    /// # Errors
    /// [`Error::Full`], or the system call's error.
    pub fn register(&mut self, id: u64) -> Result<(), Error> {
        let hists = &mut self.hists;
        self.groups
            .insert(id, |index| hists.set(index, T::default()))
    }

    /// Counts for the group `id` no more. `false` when it was not registered.
    ///
    /// # Errors
    /// The system call's error.
    pub fn unregister(&mut self, id: u64) -> Result<bool, Error> {
        let hists = &mut self.hists;
        self.groups
            .remove(id, |index| hists.set(index, T::default()))
    }

    /// The histogram of the group `id` since it has one of its own; `None` when it has not.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read(&self, id: u64) -> Result<Option<T>, Error> {
        let place = self.groups.find(id);
        place.map(|index| self.hists.get(index)).transpose()
    }

    /// How many groups share the histogram for others.
    #[must_use]
    pub fn others(&self) -> usize {
        self.groups.others()
    }

    /// The histogram of all groups that ever shared it, since the probes were loaded.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read_others(&self) -> Result<T, Error> {
        self.hists.get(place(GROUP_OTHERS))
    }
}
