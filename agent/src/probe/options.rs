//! How to load.

use super::ProbeSet;

/// When a nearly spent quota is worth a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Law {
    /// Less than a quarter of the period's pool is left, or of the quota less than 5 ms.
    Fixed,
    /// What is left will not last until the period ends at the rate of this period.
    Burn,
    /// Both at once.
    FixedAndBurn,
    /// So little is left, and the workload has used more than is usual for it.
    #[default]
    FixedAndUsual,
}

/// How to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which probes to load; the rest stay detached and say so.
    pub probes: ProbeSet,
    /// Size of the ring in bytes; rounded up to a power of two of at least one page.
    pub ring_bytes: u32,
    /// The CPUs that get a ring of their own for what is to be acted on at once, of [`CPU_RING`] bytes.
    pub cpu_rings: Vec<u32>,
    /// How many groups can be watched, per controller, and counted for.
    pub max_watches: u32,
    /// How many groups can have histograms of their own; the others share one.
    pub max_groups: u32,
    /// Cells for tasks that wait in a run queue, 16 bytes each; rounded up to a power of two.
    pub runq_cells: u32,
    /// When a nearly spent quota is worth a warning.
    pub law: Law,
    /// Hooks to leave out, whatever needs them: what is lost without a hook can be tested so.
    pub detached: Vec<String>,
}

impl Options {
    /// Whether a hook is to be left out.
    pub(super) fn detaches(&self, hook: &str) -> bool {
        self.detached.iter().any(|detached| detached == hook)
    }

    pub(super) fn cells(&self) -> u32 {
        self.runq_cells.clamp(1, 1 << 22).next_power_of_two()
    }

    /// Cells of a table of groups: twice as many, so that searches stay short.
    pub(super) fn groups(&self) -> u32 {
        (2 * self.max_watches.clamp(8, 1 << 16)).next_power_of_two()
    }

    /// Histograms of single groups.
    pub(super) fn own_hists(&self) -> u32 {
        self.max_groups.min(self.max_watches)
    }

    /// All histograms, the one that many share among them.
    pub(super) fn hists(&self) -> u32 {
        self.own_hists() + 1
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            probes: ProbeSet::ALL,
            ring_bytes: 256 << 10,
            cpu_rings: Vec::new(),
            max_watches: 4096,
            max_groups: 512,
            runq_cells: 1 << 16,
            law: Law::default(),
            detached: Vec::new(),
        }
    }
}
