//! What the run-queue probe is compared with; for benchmarks only.

use aya::Ebpf;

use super::{Error, Options, Runq, btf::Btf, hook::program_on, load::open, plan::Plan};

/// A design to measure in place of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// A program on `sched_switch` that does nothing: what `kernel.bpf_stats_enabled` counts for any.
    Empty,
    /// The start of a wait in a hash by pid; the same histogram as ours.
    HashByPid,
}

impl Design {
    /// The programs, with the tracepoint of each.
    const fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Empty => &[("baseline_empty", "sched_switch")],
            Self::HashByPid => &[
                ("baseline_switch", "sched_switch"),
                ("baseline_wakeup", "sched_wakeup"),
                ("baseline_wakeup_new", "sched_wakeup_new"),
            ],
        }
    }
}

/// A loaded baseline. Dropping it detaches it.
pub struct Baseline {
    runq: Runq,
    _attached: Ebpf,
}

impl Baseline {
    /// Loads and attaches a design.
    ///
    /// # Errors
    /// When this kernel does not allow it.
    pub fn load(design: Design, options: &Options) -> Result<Self, Error> {
        let plan = Plan::new(&Btf::of_kernel()?, options);
        let kernel = aya::Btf::from_sys_fs().map_err(Error::KernelBtf)?;
        let mut object = open(&plan, options, options.cells())?;
        for (name, hook) in design.programs() {
            program_on(&mut object, name, hook, &kernel)?;
        }
        Ok(Self {
            runq: Runq::of(&mut object, options)?,
            _attached: object,
        })
    }

    /// The run-queue histograms.
    pub const fn runq(&mut self) -> &mut Runq {
        &mut self.runq
    }
}
