//! Requests to the TCP servers of the groups that are registered: histograms made in the kernel.

use aya::{
    Ebpf, Pod,
    maps::{Array, IterableMap as _, Map, MapData},
};
use trimtab_ebpf::TcpHist;

use super::{
    Error, Options,
    groups::Groups,
    load::{duplicate, map_error, take},
};

const GROUPS: &str = "TCP_GROUPS";
const HISTS: &str = "TCP_HISTS";

/// The histograms, by the id of the group whose CPU controller governs the server's tasks.
///
/// They only ever grow: a reader keeps the last state and takes the difference. Only one handle
/// may register and unregister; every handle may read.
pub struct Tcp {
    groups: Groups,
    hists: Array<MapData, Entry>,
}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Entry(TcpHist);

// SAFETY: `repr(C)`, plain integers, without padding.
unsafe impl Pod for Entry {}

impl Tcp {
    pub(super) fn of(object: &mut Ebpf, options: &Options) -> Result<Self, Error> {
        let groups = Groups::new(GROUPS, take(object, GROUPS)?, options.max_runq_groups)?;
        Self::new(groups, take(object, HISTS)?)
    }

    fn new(groups: Groups, hists: Map) -> Result<Self, Error> {
        let hists = Array::try_from(hists).map_err(|source| map_error(HISTS, "open", 0, source))?;
        Ok(Self { groups, hists })
    }

    /// Another handle on the same histograms.
    ///
    /// # Errors
    /// When the file descriptors cannot be duplicated.
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::new(
            self.groups.try_clone()?,
            duplicate(HISTS, self.hists.map())?,
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
            .set(index, Entry(TcpHist::default()), 0)
            .map_err(|source| map_error(HISTS, "update", id, source))?;
        self.groups.put(index, id)
    }

    /// Drops the histogram of the group `id`. `false` when there was none.
    ///
    /// # Errors
    /// The system call's error.
    pub fn unregister(&mut self, id: u64) -> Result<bool, Error> {
        self.groups.remove(id)
    }

    /// The requests of the group `id` since it was registered; `None` when it is not.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read(&self, id: u64) -> Result<Option<TcpHist>, Error> {
        let hist = |index: u32| match self.hists.get(&index, 0) {
            Ok(Entry(hist)) => Ok(hist),
            Err(source) => Err(map_error(HISTS, "lookup", index.into(), source)),
        };
        self.groups.find(id)?.map(hist).transpose()
    }
}
