//! A recording that people switch on and off.

use serde::{Deserialize, Serialize};

/// The recording as it is after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Whether the agent records.
    pub on: bool,
    /// Whether the configuration has it on: what counts when the agent starts again.
    pub configured: bool,
    /// Where to.
    pub directory: String,
    /// What all segments there take.
    pub bytes: u64,
    /// How many there are.
    pub segments: u64,
    /// Why nothing can be written now.
    pub trouble: Option<String>,
}
