//! What comes from the agent, and what it is asked to do.

use crate::api::view::{Detail, Entry, Status, Why, Workload};

/// Something that the screen did not know.
#[derive(Debug)]
pub(super) enum News {
    /// All there is, at one moment.
    Sample(Box<Sample>),
    /// Entries of the journal from before, oldest first.
    Past(Vec<Entry>),
    /// An entry of the journal: a new one, or one of which it is known now what became of it.
    Entry(Box<Entry>),
    /// More about one workload.
    Looked(Box<Look>),
    /// The agent does not answer: why, and for how many ns now.
    Lost(String, u64),
    /// What became of a request.
    Done(Result<String, String>),
}

/// The node at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// When, on a clock that only goes forward.
    pub(super) at_ns: u64,
    /// How long until the next one.
    pub(super) every_ns: u64,
    /// The agent as a whole.
    pub(super) status: Status,
    /// Every workload.
    pub(super) workloads: Vec<Workload>,
}

/// One workload looked at closely.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Its path.
    pub(super) path: String,
    /// All about it, or why not.
    pub(super) detail: Result<Detail, String>,
    /// Behind whom its tasks waited lately, or why nobody knows.
    pub(super) why: Result<Why, String>,
}

/// What the agent is to do: the verbs of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// `trimtab pin` and `trimtab unpin`.
    Pin {
        /// The workload's path.
        path: String,
        /// What it is called.
        name: String,
        /// Which of the two.
        pinned: bool,
    },
    /// `trimtab pause` and `trimtab resume`.
    Pause(bool),
}

impl Request {
    /// What it does, as a question.
    pub(super) fn question(&self) -> String {
        match self {
            Self::Pin {
                name, pinned: true, ..
            } => format!("pin {name}: keep its limits until it is unpinned?"),
            Self::Pin { name, .. } => format!("unpin {name}: let its limits follow its need?"),
            Self::Pause(true) => "pause: write no limit until resumed, sensing goes on?".into(),
            Self::Pause(false) => "resume: write limits again?".into(),
        }
    }

    /// What was done.
    pub(super) fn done(&self) -> String {
        match self {
            Self::Pin {
                name, pinned: true, ..
            } => format!("{name} is pinned"),
            Self::Pin { name, .. } => format!("{name} is not pinned"),
            Self::Pause(true) => "paused".into(),
            Self::Pause(false) => "limits are written again".into(),
        }
    }
}
