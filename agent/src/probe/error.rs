//! What can go wrong between the eBPF object and a running probe.

use std::{io, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError};

/// An error of the probes, with what to do about it where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's type information cannot be read.
    #[error(
        "{}: {source}; the probes need a kernel with CONFIG_DEBUG_INFO_BTF, and /sys mounted",
        path.display()
    )]
    NoBtf {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel's type information is not what it should be.
    #[error("BTF of the running kernel: {0}")]
    Btf(#[from] super::btf::Malformed),
    /// aya cannot read the kernel's type information.
    #[error("BTF of the running kernel")]
    KernelBtf(#[source] aya::BtfError),
    /// The embedded object could not be loaded: its maps could not be made.
    #[error("the eBPF object could not be loaded ({remedy})")]
    Object {
        /// What aya said.
        source: EbpfError,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A program was refused.
    #[error("program {name}: {reason}")]
    Program {
        /// The program's name, which is also its tracepoint's (save for the benchmark's).
        name: &'static str,
        /// The last line of the verifier's answer, or the system's error.
        reason: String,
        /// What aya said.
        source: Box<ProgramError>,
    },
    /// The list of threads could not be read.
    #[error("cannot read the list of threads: {0}")]
    Threads(#[source] io::Error),
    /// The embedded object lacks a program or a map: the two halves are of different builds.
    #[error("the eBPF object has no {what} `{name}`; rebuild both halves with `cargo xtask build`")]
    Missing {
        /// `program` or `map`.
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A map operation failed.
    #[error("map {map}, {call} of cgroup {id}")]
    Map {
        /// The map's name.
        map: &'static str,
        /// The operation.
        call: &'static str,
        /// The cgroup's id, or the index.
        id: u64,
        /// What aya said.
        source: MapError,
    },
    /// A map has no room for another group.
    #[error("map {map} is full: {max} groups; raise its limit in the configuration")]
    Full {
        /// The map's name.
        map: &'static str,
        /// How many entries it holds.
        max: u32,
    },
    /// The kernel does not count what programs cost.
    #[error(
        "bpf(BPF_ENABLE_STATS): {0}; what the probes cost is counted from 5.8 on, and CAP_SYS_ADMIN may ask"
    )]
    Statistics(#[source] io::Error),
    /// A map cannot be mapped into memory.
    #[error("mmap of map {map}")]
    Mmap {
        /// The map's name.
        map: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}
