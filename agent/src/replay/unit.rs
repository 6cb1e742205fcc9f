//! Units that columns may have, by what the column says.

/// What a column says of a workload, or of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Time,
    Cpu,
    CpuCap,
    Cores,
    CpuPart,
    Memory,
    MemoryCap,
    MemoryPart,
    Requests,
    Gpu,
    GpuMemory,
    Series,
}

impl Role {
    /// All, in the order in which messages list them.
    pub(super) const ALL: [Self; 12] = [
        Self::Time,
        Self::Cpu,
        Self::CpuCap,
        Self::Cores,
        Self::CpuPart,
        Self::Memory,
        Self::MemoryCap,
        Self::MemoryPart,
        Self::Requests,
        Self::Gpu,
        Self::GpuMemory,
        Self::Series,
    ];

    /// What it is called in a column map.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Cpu => "cpu",
            Self::CpuCap => "cpu-cap",
            Self::Cores => "cores",
            Self::CpuPart => "cpu-part",
            Self::Memory => "memory",
            Self::MemoryCap => "memory-cap",
            Self::MemoryPart => "memory-part",
            Self::Requests => "requests",
            Self::Gpu => "gpu",
            Self::GpuMemory => "gpu-memory",
            Self::Series => "series",
        }
    }

    /// Its units; none for a count and a name.
    pub(super) const fn units(self) -> &'static [(&'static str, Unit)] {
        match self {
            Self::Time => TIME,
            Self::Cpu => CPU,
            Self::CpuCap => CPU_CAP,
            Self::CpuPart | Self::MemoryPart => OF_CAP,
            Self::Memory => MEMORY,
            Self::MemoryCap | Self::GpuMemory => MEMORY.split_at(SIZES).0,
            Self::Requests => RATE,
            Self::Gpu => DUTY,
            Self::Cores | Self::Series => &[],
        }
    }

    /// The unit of a column that has no other.
    pub(super) const fn only(self) -> Option<Unit> {
        match self {
            Self::Cores => Some(Unit::Times(1_000_000, 1)),
            Self::Series => Some(Unit::Times(1, 1)),
            _ => None,
        }
    }
}

/// How the number in a field becomes one in the base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Multiplied by the first, divided by the second.
    Times(i64, i64),
    /// A part of the cap in the same row, of which so many are the whole.
    OfCap(i64),
    /// Megahertz: of a clock that follows from cap and cores.
    Mhz,
    /// A date and time in UTC.
    Date,
}

/// To ns.
const TIME: &[(&str, Unit)] = &[
    ("s", Unit::Times(1_000_000_000, 1)),
    ("ms", Unit::Times(1_000_000, 1)),
    ("us", Unit::Times(1_000, 1)),
    ("ns", Unit::Times(1, 1)),
    ("date", Unit::Date),
];

/// To micro-CPUs.
const CPU: &[(&str, Unit)] = &[
    ("cores", Unit::Times(1_000_000, 1)),
    ("millicores", Unit::Times(1_000, 1)),
    ("%core", Unit::Times(10_000, 1)),
    ("%cap", Unit::OfCap(100)),
    ("fraction", Unit::OfCap(1)),
    ("MHz", Unit::Mhz),
];

/// To micro-CPUs.
const CPU_CAP: &[(&str, Unit)] = &[
    ("cores", Unit::Times(1_000_000, 1)),
    ("millicores", Unit::Times(1_000, 1)),
    ("MHz", Unit::Mhz),
];

const OF_CAP: &[(&str, Unit)] = &[("%cap", Unit::OfCap(100)), ("fraction", Unit::OfCap(1))];

/// To bytes; the first [`SIZES`] are sizes by themselves.
const MEMORY: &[(&str, Unit)] = &[
    ("B", Unit::Times(1, 1)),
    ("KiB", Unit::Times(1 << 10, 1)),
    ("MiB", Unit::Times(1 << 20, 1)),
    ("GiB", Unit::Times(1 << 30, 1)),
    ("kB", Unit::Times(1_000, 1)),
    ("MB", Unit::Times(1_000_000, 1)),
    ("GB", Unit::Times(1_000_000_000, 1)),
    ("%cap", Unit::OfCap(100)),
    ("fraction", Unit::OfCap(1)),
];

const SIZES: usize = 7;

/// To thousandths of a request per second.
const RATE: &[(&str, Unit)] = &[
    ("/s", Unit::Times(1_000, 1)),
    ("/min", Unit::Times(1_000, 60)),
    ("/5min", Unit::Times(1_000, 300)),
];

/// To hundredths of a percent.
const DUTY: &[(&str, Unit)] = &[
    ("%", Unit::Times(100, 1)),
    ("fraction", Unit::Times(10_000, 1)),
];

/// Names of units, as messages list them.
pub(super) fn listed(units: &[(&str, Unit)]) -> String {
    let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
