//! Distributions of durations.

use super::all;
use crate::api::{proto, view::Bin};

/// A histogram that is known.
pub(super) fn histogram(bins: Vec<Bin>) -> proto::Histogram {
    proto::Histogram { bins: all(bins) }
}

impl From<Bin> for proto::Bin {
    fn from(bin: Bin) -> Self {
        Self {
            from_ns: bin.from_ns,
            count: bin.count,
        }
    }
}

impl From<proto::Bin> for Bin {
    fn from(bin: proto::Bin) -> Self {
        Self {
            from_ns: bin.from_ns,
            count: bin.count,
        }
    }
}
