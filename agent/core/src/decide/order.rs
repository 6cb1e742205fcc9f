//! What the slow loop asks of the fast one, beside new bounds.

use crate::signal::{Amount, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// A limit that the slow loop has decided, valid only if nothing has changed since it looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Whose limit.
    pub slot: Slot,
    /// Of what.
    pub resource: Resource,
    /// The epoch that the slow loop knows.
    pub epoch: u32,
    /// [`Envelope::seq`](super::Envelope::seq) as far as the slow loop knows.
    pub seen_seq: u64,
    /// The limit to write.
    pub limit: Amount,
}

/// A limit that was read from the kernel without an event. Whether it is foreign or just newer
/// than the slow loop's knowledge only the fast loop can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Before when the limit was certainly not read.
    pub time: Nanos,
    /// Whose limit.
    pub slot: Slot,
    /// Of what.
    pub resource: Resource,
    /// The epoch that the slow loop knows.
    pub epoch: u32,
    /// What the kernel held.
    pub held: Amount,
}
