//! Run-queue waiting of the groups that are registered: histograms made in the kernel, and behind
//! whom they waited.

use aya::{
    Ebpf, Pod,
    maps::{Array, IterableMap as _, Map, MapData},
};
use trimtab_ebpf::{RunqBehind, RunqHist};

use super::{
    Error, Options,
    groups::Groups,
    load::{duplicate, map_error, take},
};

const GROUPS: &str = "RUNQ_GROUPS";
const HISTS: &str = "RUNQ_HISTS";
const BEHIND: &str = "RUNQ_BEHIND";

/// The histograms, by the id of the group whose CPU controller governs the task.
///
/// They only ever grow: a reader keeps the last state and takes the difference. Only one handle
/// may register and unregister; every handle may read.
pub struct Runq {
    groups: Groups,
    hists: Array<MapData, Entry<RunqHist>>,
    behind: Array<MapData, Entry<RunqBehind>>,
}

/// All that is known of one group's waiting since it was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How long, and how much of it throttled.
    pub hist: RunqHist,
    /// Behind whom.
    pub behind: RunqBehind,
}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Entry<T>(T);

// SAFETY: `repr(C)`, plain integers, without padding.
unsafe impl Pod for Entry<RunqHist> {}
// SAFETY: as above.
unsafe impl Pod for Entry<RunqBehind> {}

impl Runq {
    pub(super) fn of(object: &mut Ebpf, options: &Options) -> Result<Self, Error> {
        let groups = Groups::new(GROUPS, take(object, GROUPS)?, options.max_runq_groups)?;
        let [hists, behind] = [HISTS, BEHIND].map(|name| take(object, name));
        Self::new(groups, hists?, behind?)
    }

    fn new(groups: Groups, hists: Map, behind: Map) -> Result<Self, Error> {
        let refused = |name| move |source| map_error(name, "open", 0, source);
        Ok(Self {
            groups,
            hists: Array::try_from(hists).map_err(refused(HISTS))?,
            behind: Array::try_from(behind).map_err(refused(BEHIND))?,
        })
    }

    /// Another handle on the same histograms.
    ///
    /// # Errors
    /// When the file descriptors cannot be duplicated.
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::new(
            self.groups.try_clone()?,
            duplicate(HISTS, self.hists.map())?,
            duplicate(BEHIND, self.behind.map())?,
        )
    }

    /// Starts a histogram for the group `id`; one that is there goes on.
    ///
    /// # Errors
    /// [`Error::Full`], or the system call's error.
    pub fn register(&mut self, id: u64) -> Result<(), Error> {
        let Some(index) = self.groups.vacancy(id)? else {
            return Ok(());
        };
        self.hists
            .set(index, Entry(RunqHist::default()), 0)
            .map_err(|source| map_error(HISTS, "update", id, source))?;
        self.set_behind(index, RunqBehind::default())?;
        self.groups.put(index, id)
    }

    /// Drops the histogram of the group `id`. `false` when there was none.
    ///
    /// # Errors
    /// The system call's error.
    pub fn unregister(&mut self, id: u64) -> Result<bool, Error> {
        self.groups.remove(id)
    }

    /// The waiting of the group `id` since it was registered; `None` when it is not.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read(&self, id: u64) -> Result<Option<Waits>, Error> {
        let waits = |index| {
            Ok(Waits {
                hist: self.hist(index)?,
                behind: self.behind(index)?,
            })
        };
        self.groups.find(id)?.map(waits).transpose()
    }

    /// Forgets the names of those behind whom the group `id` waited, so that others find room, and
    /// what each is blamed for. What the kernel notes meanwhile is lost.
    ///
    /// # Errors
    /// The system call's error.
    pub fn forget_names(&mut self, id: u64) -> Result<(), Error> {
        let Some(index) = self.groups.find(id)? else {
            return Ok(());
        };
        let behind = self.behind(index)?;
        self.set_behind(
            index,
            RunqBehind {
                ids: [0; trimtab_ebpf::BEHIND],
                ns: [0; trimtab_ebpf::BEHIND],
                ..behind
            },
        )
    }

    /// Hands every histogram to `each`, in no order. Reads the whole table: to read a few groups
    /// of many, [`Runq::read`] is cheaper.
    ///
    /// # Errors
    /// The system call's error.
    pub fn for_each(&self, mut each: impl FnMut(u64, &RunqHist)) -> Result<(), Error> {
        self.groups.for_each(|index, id| {
            each(id, &self.hist(index)?);
            Ok(())
        })
    }

    fn hist(&self, index: u32) -> Result<RunqHist, Error> {
        let Entry(hist) = self
            .hists
            .get(&index, 0)
            .map_err(|source| map_error(HISTS, "lookup", index.into(), source))?;
        Ok(hist)
    }

    fn behind(&self, index: u32) -> Result<RunqBehind, Error> {
        let Entry(behind) = self
            .behind
            .get(&index, 0)
            .map_err(|source| map_error(BEHIND, "lookup", index.into(), source))?;
        Ok(behind)
    }

    fn set_behind(&mut self, index: u32, behind: RunqBehind) -> Result<(), Error> {
        self.behind
            .set(index, Entry(behind), 0)
            .map_err(|source| map_error(BEHIND, "update", index.into(), source))
    }
}
