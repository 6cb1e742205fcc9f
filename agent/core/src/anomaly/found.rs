//! What was found, with the evidence.

use super::beyond::Hint;
use super::fit::{Loose, Tight};
use super::leak::Leak;
use super::neighbour::Neighbour;
use super::shift::Shift;
use crate::signal::{Nanos, Resource};
use serde::Serialize;
use std::mem::discriminant;

/// Something out of the ordinary; its `Display` is the evidence in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// Memory grows and does not fall back.
    Leak(Leak),
    /// Need of CPU is suddenly another.
    Shift(Shift),
    /// A limit is far above need for long.
    LimitTooLarge(Loose),
    /// A limit is met again and again.
    LimitTooSmall(Tight),
    /// One other group keeps its tasks waiting for a CPU.
    NoisyNeighbour(Neighbour),
    /// It needs more CPU than this node can ever give it.
    BeyondNode(Hint),
}

impl Anomaly {
    /// The resource that it is about.
    #[must_use]
    pub const fn resource(&self) -> Resource {
        match self {
            Self::Leak(_) => Resource::Memory,
            Self::Shift(_) | Self::NoisyNeighbour(_) | Self::BeyondNode(_) => Resource::Cpu,
            Self::LimitTooLarge(loose) => loose.resource,
            Self::LimitTooSmall(tight) => tight.resource,
        }
    }

    /// Whether it is the same finding, with whatever figures.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other) && self.resource() == other.resource()
    }
}

/// A finding that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it was found.
    pub since: Nanos,
    /// What, with the figures of the last minute.
    pub anomaly: Anomaly,
}

/// What people are told, once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It was found.
    Begins(Standing),
    /// It is over; with its last figures.
    Ends(Standing),
}
