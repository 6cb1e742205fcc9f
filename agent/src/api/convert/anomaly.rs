//! What is out of the ordinary, and what would have to happen beyond the node.

use super::{Malformed, need};
use crate::api::{proto, view};

impl From<view::Anomaly> for proto::Anomaly {
    fn from(anomaly: view::Anomaly) -> Self {
        Self {
            workload: anomaly.workload,
            path: anomaly.path,
            kind: anomaly.kind,
            resource: proto::Resource::from(anomaly.resource).into(),
            text: anomaly.text,
            for_ns: anomaly.for_ns,
        }
    }
}

impl TryFrom<proto::Anomaly> for view::Anomaly {
    type Error = Malformed;

    fn try_from(anomaly: proto::Anomaly) -> Result<Self, Malformed> {
        Ok(Self {
            resource: anomaly.resource().try_into()?,
            workload: anomaly.workload,
            path: anomaly.path,
            kind: anomaly.kind,
            text: anomaly.text,
            for_ns: anomaly.for_ns,
        })
    }
}

impl From<view::Beyond> for proto::Beyond {
    fn from(beyond: view::Beyond) -> Self {
        Self {
            hint: beyond.hint.map(Into::into),
            balancing_weight: beyond.balancing_weight,
        }
    }
}

impl TryFrom<proto::Beyond> for view::Beyond {
    type Error = Malformed;

    fn try_from(beyond: proto::Beyond) -> Result<Self, Malformed> {
        Ok(Self {
            hint: beyond.hint.map(TryInto::try_into).transpose()?,
            balancing_weight: beyond.balancing_weight,
        })
    }
}

impl From<view::Hint> for proto::Hint {
    fn from(hint: view::Hint) -> Self {
        Self {
            instances: hint.instances,
            demand: Some(hint.demand.into()),
            capacity: Some(hint.capacity.into()),
        }
    }
}

impl TryFrom<proto::Hint> for view::Hint {
    type Error = Malformed;

    fn try_from(hint: proto::Hint) -> Result<Self, Malformed> {
        Ok(Self {
            instances: hint.instances,
            demand: need(hint.demand, "demand")?,
            capacity: need(hint.capacity, "capacity")?,
        })
    }
}
