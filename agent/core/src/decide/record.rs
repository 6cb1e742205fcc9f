//! What the fast loop did, as it tells the slow one.

use crate::signal::{Amount, Delay, Nanos, Resource, Slot, Spend};
use serde::{Deserialize, Serialize};

/// One message from the fast loop to the slow one. They are sent in the order in which things
/// were done; one that is lost costs a tick or two until the next one or an audit tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// An event was answered.
    Spend(Spend),
    /// A decision was applied or refused.
    Settled(Settled),
    /// What was lent has been taken back: memory that is not used, since the node had run short, or
    /// CPU, for one who uses no more than its own.
    Recalled(Settled),
    /// A loan has been called in, since it kept others waiting.
    CalledIn(CalledIn),
    /// An audit found nothing wrong: this is what the envelope holds.
    Synced(Synced),
}

/// The end of a loan that kept others waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledIn {
    /// What became of the order to end it.
    pub settled: Settled,
    /// Who waited for how long.
    pub delay: Delay,
    /// Until when nothing is lent.
    pub barred: Nanos,
}

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// Whose envelope.
    pub slot: Slot,
    /// Of what.
    pub resource: Resource,
    /// Its epoch.
    pub epoch: u32,
    /// Its limit.
    pub limit: Amount,
    /// [`Envelope::seq`](super::Envelope::seq).
    pub envelope_seq: u64,
}

/// What became of a settlement. When not refused, the caller writes `to` and calls
/// [`written`](super::written), or [`unsettle`](super::unsettle) when the write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Order among all of the agent's changes: shared with [`Spend::seq`](crate::signal::Spend::seq).
    pub seq: u64,
    /// When it was applied.
    pub time: Nanos,
    /// Whose limit.
    pub slot: Slot,
    /// Of what.
    pub resource: Resource,
    /// The envelope's epoch.
    pub epoch: u32,
    /// The limit before.
    pub from: Amount,
    /// The limit after; equal to `from` when refused, and theirs when somebody else has written it.
    pub to: Amount,
    /// [`Envelope::seq`](super::Envelope::seq) afterwards.
    pub envelope_seq: u64,
    /// What the pool had left afterwards.
    pub pool_left: Amount,
    /// `None` when applied.
    pub refusal: Option<Refusal>,
}

/// Why a settlement was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The limit has changed since the slow loop looked, or is just being written.
    Superseded,
    /// Somebody else writes the limit.
    Foreign,
    /// The mode is not `enforce`, or the workload is pinned or the agent paused.
    NotEnforced,
    /// The pool has nothing left for a raise.
    PoolEmpty,
    /// What was lent before has kept others waiting: nothing is lent for a while.
    Barred,
    /// The parent's limit leaves no room for a raise.
    LimitedAbove,
    /// The limit already stands there.
    NoChange,
    /// The write failed; what was debited has been credited back.
    WriteFailed,
}
