//! What a tick produces.

use super::envelope::EnvelopeUpdate;
use super::order::{Audit, Settle};
use super::reason::Reason;
use super::thresholds::Thresholds;
use super::trial::Outcome;
use crate::signal::{Amount, Event, Mode, Nanos, Resource, Slot};
use serde::{Deserialize, Serialize};

/// A limit that should stand elsewhere, after guardrails, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The snapshot's time.
    pub time: Nanos,
    /// Whose limit.
    pub slot: Slot,
    /// The workload's epoch.
    pub epoch: u32,
    /// Of what.
    pub resource: Resource,
    /// `enforce`: a [`Settle`] goes with it. `recommend`: only said.
    pub mode: Mode,
    /// The limit before.
    pub from: Amount,
    /// The limit after.
    pub to: Amount,
    /// The envelope's sequence number on which it is based.
    pub seen_seq: u64,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    /// The order to the fast loop that makes it happen.
    #[must_use]
    pub const fn settle(&self) -> Settle {
        Settle {
            slot: self.slot,
            resource: self.resource,
            epoch: self.epoch,
            seen_seq: self.seen_seq,
            limit: self.to,
        }
    }
}

/// Something that people should know about and that is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it was found.
    pub time: Nanos,
    /// Whose limit.
    pub slot: Slot,
    /// Of what.
    pub resource: Resource,
    /// What.
    pub what: NoticeKind,
}

/// The kinds of [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Somebody else wrote the limit: theirs is the new original, and it is left alone for a
    /// while.
    Foreign {
        /// What we had written.
        ours: Amount,
        /// What the kernel holds.
        theirs: Amount,
        /// Until when it is left alone.
        until: Nanos,
    },
    /// Somebody else keeps writing the limit: it is not managed any more.
    WriteWar {
        /// What the kernel holds.
        theirs: Amount,
        /// How often it was written within the window.
        writes: u32,
    },
    /// The owner changed a limit that we only watch.
    OwnerChanged {
        /// What it was.
        from: Amount,
        /// What it is.
        to: Amount,
    },
    /// The back-off after a foreign write is over.
    Resumed,
    /// One trim after the other has hurt, or was taken back at once: the next is put off.
    BackedOff {
        /// How many in a row.
        trims: u32,
        /// For how long after a raise nothing is trimmed.
        patience: Nanos,
    },
    /// One raise after the other has made no difference: something else holds the workload up. It is
    /// raised all the same.
    InVain {
        /// How many in a row.
        raises: u32,
    },
}

/// Everything that follows from one snapshot. The caller passes on, in this order, `pools`,
/// `payer`, `updates`, `settles`, `audits` and `twins` to the fast loop, and `thresholds` to the
/// kernel.
///
/// `updates` and `thresholds` are sent once, when they change: they must arrive. The rest may be
/// lost.
///
/// No event has just told the fast loop which limit the kernel holds when it comes to `settles`
/// and `twins`, so it reads the limit first: for a settlement it makes an [`Audit`] of what it
/// read, in a twin it replaces `held`. Otherwise a foreign value could be overwritten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Decisions with their reasons, for the journal.
    pub decisions: Vec<Decision>,
    /// The decisions that are to be written: trims first, children before parents, then raises,
    /// parents before children.
    pub settles: Vec<Settle>,
    /// Envelopes whose bounds have changed.
    pub updates: Vec<EnvelopeUpdate>,
    /// Shortages that the counters tell of although no event arrived.
    pub twins: Vec<Event>,
    /// Limits that are not what we know.
    pub audits: Vec<Audit>,
    /// The sizes of the pools.
    pub pools: [Amount; 2],
    /// The borrower of CPU whose loan goes first when one who uses no more than its own finds the
    /// pool lent out.
    pub payer: Option<Slot>,
    /// Thresholds for the kernel's watch maps that have changed.
    pub thresholds: Vec<Thresholds>,
    /// What people should know.
    pub notices: Vec<Notice>,
    /// What became of changes that were made some time ago, for the journal.
    pub outcomes: Vec<Outcome>,
}
