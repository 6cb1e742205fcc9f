//! Run-queue waiting of the groups that are registered: histograms made in the kernel, and behind
//! whom they waited.

use aya::Ebpf;
use trimtab_core::signal::Nanos;
use trimtab_ebpf::{GROUP_OTHERS, RunqBehind, RunqHist};

use super::{
    Error, Options,
    groups::{Groups, Value, Values, place},
    load::take,
    ran::Ran,
};

/// The histograms, by the id of the group whose CPU controller governs the task.
///
/// They only ever grow: a reader keeps the last state and takes the difference.
pub struct Runq {
    groups: Groups,
    hists: Values<RunqHist>,
    behind: Values<RunqBehind>,
    ran: Ran,
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
        const RAN: &str = "RUNQ_RAN";
        Ok(Self {
            groups: Groups::new(GROUPS, take(object, GROUPS)?, options.own_hists())?,
            hists: Values::new(HISTS, take(object, HISTS)?)?,
            behind: Values::new(BEHIND, take(object, BEHIND)?)?,
            ran: Ran::new(RAN, &take(object, RAN)?, options.groups())?,
        })
    }

    /// Counts for the group `id` from now on: in a histogram of its own, or in the one for others
    /// where none is left. One that is there goes on.
    ///
    /// # Errors
    /// [`Error::Full`], or the system call's error.
    pub fn register(&mut self, id: u64) -> Result<(), Error> {
        let Self {
            groups,
            hists,
            behind,
            ..
        } = self;
        groups.insert(id, |index| {
            hists.set(index, RunqHist::default())?;
            behind.set(index, RunqBehind::default())
        })
    }

    /// Counts for the group `id` no more. `false` when it was not registered.
    ///
    /// # Errors
    /// The system call's error.
    pub fn unregister(&mut self, id: u64) -> Result<bool, Error> {
        let Self {
            groups,
            hists,
            behind,
            ..
        } = self;
        groups.remove(id, |index| {
            hists.set(index, RunqHist::default())?;
            behind.set(index, RunqBehind::default())
        })
    }

    /// How many groups share the histogram for others.
    #[must_use]
    pub fn others(&self) -> usize {
        self.groups.others()
    }

    /// The waiting of all groups that ever shared a histogram, since the probes were loaded.
    ///
    /// # Errors
    /// The system call's error.
    pub fn read_others(&self) -> Result<Waits, Error> {
        let others = place(GROUP_OTHERS);
        Ok(Waits {
            hist: self.hists.get(others)?,
            behind: self.behind.get(others)?,
        })
    }

    /// The waiting of the group `id` since it has a histogram of its own; `None` when it has not.
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
        self.groups.find(id).map(waits).transpose()
    }

    /// Whether a task of the group `id` may have got a CPU since `time`: never `false` when one has that
    /// had to wait for it, if only for an instant, while the probe was on. Tasks of groups below it do
    /// not count, and one that goes on running does not get a CPU.
    #[must_use]
    pub fn may_have_run(&self, id: u64, time: Nanos) -> bool {
        let cell = self.groups.cell_of(id);
        cell.is_none_or(|cell| self.ran.since(cell, time))
    }

    /// Forgets the names of those behind whom the group `id` waited, so that others find room, and
    /// what each is blamed for. What the kernel notes meanwhile is lost.
    ///
    /// # Errors
    /// The system call's error.
    pub fn forget_names(&mut self, id: u64) -> Result<(), Error> {
        let Some(index) = self.groups.find(id) else {
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

    /// Hands every group's own histogram to `each`, in no order. Reads the whole table: to read a few groups
    /// of many, [`Runq::read`] is cheaper.
    ///
    /// # Errors
    /// The system call's error.
    pub fn for_each(&self, mut each: impl FnMut(u64, &RunqHist)) -> Result<(), Error> {
        for (index, id) in self.groups.all() {
            each(id, &self.hists.get(index)?);
        }
        Ok(())
    }
}
