//! Run-queue waiting of the groups that are registered: histograms made in the kernel, and behind
//! whom they waited.

use aya::Ebpf;
use trimtab_ebpf::{RunqBehind, RunqHist};

use super::{
    Error, Options,
    groups::{Groups, Value, Values},
    load::take,
};

/// The histograms, by the id of the group whose CPU controller governs the task.
///
/// They only ever grow: a reader keeps the last state and takes the difference. Only one handle
/// may register and unregister; every handle may read.
pub struct Runq {
    groups: Groups,
    hists: Values<RunqHist>,
    behind: Values<RunqBehind>,
}

/// All that is known of one group's waiting since it was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How long, and how much of it throttled.
    pub hist: RunqHist,
    /// Behind whom.
    pub behind: RunqBehind,
}

// SAFETY: integers of one size.
unsafe impl Value for RunqHist {}
// SAFETY: as above.
unsafe impl Value for RunqBehind {}

impl Runq {
    pub(super) fn of(object: &mut Ebpf, options: &Options) -> Result<Self, Error> {
        const GROUPS: &str = "RUNQ_GROUPS";
        const HISTS: &str = "RUNQ_HISTS";
        const BEHIND: &str = "RUNQ_BEHIND";
        Ok(Self {
            groups: Groups::new(GROUPS, take(object, GROUPS)?, options.max_groups)?,
            hists: Values::new(HISTS, take(object, HISTS)?)?,
            behind: Values::new(BEHIND, take(object, BEHIND)?)?,
        })
    }

    /// Another handle on the same histograms.
    ///
    /// # Errors
    /// When the file descriptors cannot be duplicated.
    pub fn try_clone(&self) -> Result<Self, Error> {
        Ok(Self {
            groups: self.groups.try_clone()?,
            hists: self.hists.try_clone()?,
            behind: self.behind.try_clone()?,
        })
    }

    /// Starts a histogram for the group `id`; one that is there goes on.
    ///
    /// # Errors
    /// [`Error::Full`], or the system call's error.
    pub fn register(&mut self, id: u64) -> Result<(), Error> {
        let Self {
            groups,
            hists,
            behind,
        } = self;
        groups.insert(id, |index| {
            hists.set(index, RunqHist::default())?;
            behind.set(index, RunqBehind::default())
        })
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
                hist: self.hists.get(index)?,
                behind: self.behind.get(index)?,
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
        let behind = self.behind.get(index)?;
        self.behind.set(
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
        for cell in self.groups.all() {
            let (index, id) = cell?;
            each(id, &self.hists.get(index)?);
        }
        Ok(())
    }
}
