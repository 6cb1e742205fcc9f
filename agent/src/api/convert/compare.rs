//! Comparisons with shadows.

use super::{Malformed, need};
use crate::api::{proto, view};

impl From<view::Comparison> for proto::Comparison {
    fn from(comparison: view::Comparison) -> Self {
        Self {
            workload: comparison.workload,
            path: comparison.path,
            resource: proto::Resource::from(comparison.resource).into(),
            age_ns: comparison.age_ns,
            compared_ns: comparison.compared_ns,
            used: Some(comparison.used.into()),
            active: Some(comparison.active.into()),
            shadow: Some(comparison.shadow.into()),
        }
    }
}

impl TryFrom<proto::Comparison> for view::Comparison {
    type Error = Malformed;

    fn try_from(comparison: proto::Comparison) -> Result<Self, Malformed> {
        Ok(Self {
            resource: comparison.resource().try_into()?,
            workload: comparison.workload,
            path: comparison.path,
            age_ns: comparison.age_ns,
            compared_ns: comparison.compared_ns,
            used: need(comparison.used, "used")?,
            active: need(comparison.active, "active")?,
            shadow: need(comparison.shadow, "shadow")?,
        })
    }
}

impl From<view::Course> for proto::Course {
    fn from(course: view::Course) -> Self {
        Self {
            policy: course.policy,
            limit: Some(course.limit.into()),
            mean_limit: Some(course.mean_limit.into()),
            mean_held: Some(course.mean_held.into()),
            changes: course.changes,
            turns: course.turns,
            short_ns: course.short_ns,
            slack_per_mille: course.slack_per_mille,
        }
    }
}

impl TryFrom<proto::Course> for view::Course {
    type Error = Malformed;

    fn try_from(course: proto::Course) -> Result<Self, Malformed> {
        Ok(Self {
            policy: course.policy,
            limit: need(course.limit, "limit")?,
            mean_limit: need(course.mean_limit, "mean_limit")?,
            mean_held: need(course.mean_held, "mean_held")?,
            changes: course.changes,
            turns: course.turns,
            short_ns: course.short_ns,
            slack_per_mille: course.slack_per_mille,
        })
    }
}
