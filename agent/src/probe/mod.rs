//! The user-space half of each eBPF program.
//!
//! [`Probes::load`] resolves kernel fields from BTF, plans what this kernel can give, loads and
//! attaches. What comes back is split by owner: the [`Ring`] goes to the fast thread, [`Watches`]
//! can be cloned for whoever selects workloads, [`Runq`], [`Tcp`] and [`Lost`] are read by the slow
//! loop, which also asks what all of it costs ([`Costs`]) and can do without some of it
//! ([`Probes::shed`]), [`Reclaim`] and [`Block`] when somebody asks.

mod baseline;
mod block;
mod btf;
mod cost;
mod error;
mod groups;
mod hook;
mod load;
#[cfg(feature = "probe-log")]
mod log;
mod lost;
mod options;
mod plan;
mod process;
mod programs;
mod ran;
mod reclaim;
mod ring;
mod runq;
mod shed;
mod status;
mod tcp;
mod watch;

pub use baseline::{Baseline, Design};
pub use block::Block;
pub use cost::{Cost, Costs, Counts, Statistics};
pub use error::Error;
pub use groups::Hists;
pub use load::{Histograms, Probes, unavailable};
#[cfg(feature = "probe-log")]
pub(crate) use log::Log;
pub use lost::{Losses, Lost};
pub use options::{Law, Options};
pub use programs::Program;
pub use reclaim::Reclaim;
pub use ring::Ring;
pub use runq::{Runq, Waits};
pub use status::{Probe, ProbeSet, ProbeStatus, State};
pub use tcp::Tcp;
pub use trimtab_ebpf::{
    BlockHist, Event, HIST_BUCKETS, Level, ReclaimHist, RunqBehind, RunqHist, TcpHist, Thread,
    Watch, kind,
};
pub use watch::Watches;
