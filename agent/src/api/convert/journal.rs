//! Journal entries and their reasons.

use trimtab_core::signal::Resource;

use super::{Malformed, all, each, need};
use crate::api::{proto, view};

impl From<view::Entry> for proto::Entry {
    fn from(entry: view::Entry) -> Self {
        let kind = match entry.kind {
            view::EntryKind::Spend => proto::EntryKind::Spend,
            view::EntryKind::Decision => proto::EntryKind::Decision,
            view::EntryKind::Notice => proto::EntryKind::Notice,
        };
        Self {
            seq: entry.seq,
            monotonic_ns: entry.monotonic_ns,
            unix_ns: entry.unix_ns,
            kind: kind.into(),
            workload: entry.workload,
            path: entry.path,
            resource: entry
                .resource
                .map_or(proto::Resource::Unspecified, Into::into)
                .into(),
            from: entry.from.map(Into::into),
            to: entry.to.map(Into::into),
            cause: entry.cause,
            rule: entry.rule,
            denial: entry.denial.unwrap_or_default(),
            written: entry.written,
            latency_ns: entry.latency_ns,
            reason: Some(entry.reason.into()),
            outcome: entry.outcome.map(Into::into),
        }
    }
}

impl TryFrom<proto::Entry> for view::Entry {
    type Error = Malformed;

    fn try_from(entry: proto::Entry) -> Result<Self, Malformed> {
        let kind = match entry.kind() {
            proto::EntryKind::Spend => view::EntryKind::Spend,
            proto::EntryKind::Decision => view::EntryKind::Decision,
            proto::EntryKind::Notice => view::EntryKind::Notice,
            proto::EntryKind::Unspecified => return Err(Malformed("kind")),
        };
        let resource = match entry.resource() {
            proto::Resource::Unspecified => None,
            resource => Some(Resource::try_from(resource)?),
        };
        Ok(Self {
            seq: entry.seq,
            monotonic_ns: entry.monotonic_ns,
            unix_ns: entry.unix_ns,
            kind,
            workload: entry.workload,
            path: entry.path,
            resource,
            from: entry.from.map(TryInto::try_into).transpose()?,
            to: entry.to.map(TryInto::try_into).transpose()?,
            cause: entry.cause,
            rule: entry.rule,
            denial: Some(entry.denial).filter(|denial| !denial.is_empty()),
            written: entry.written,
            latency_ns: entry.latency_ns,
            reason: need(entry.reason, "reason")?,
            outcome: entry.outcome.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<view::Reason> for proto::Reason {
    fn from(reason: view::Reason) -> Self {
        Self {
            text: reason.text,
            inputs: all(reason.inputs),
            clamps: reason.clamps,
            otherwise: reason.otherwise,
            proposed: reason.proposed.map(Into::into),
            bounds: all(reason.bounds),
        }
    }
}

impl TryFrom<proto::Reason> for view::Reason {
    type Error = Malformed;

    fn try_from(reason: proto::Reason) -> Result<Self, Malformed> {
        Ok(Self {
            text: reason.text,
            inputs: each(reason.inputs)?,
            clamps: reason.clamps,
            otherwise: reason.otherwise,
            proposed: reason.proposed.map(TryInto::try_into).transpose()?,
            bounds: each(reason.bounds)?,
        })
    }
}

impl From<view::Input> for proto::Input {
    fn from(input: view::Input) -> Self {
        use proto::input::Value;
        let value = match input.value {
            view::Value::Quantity(quantity) => Value::Quantity(quantity.into()),
            view::Value::DurationNs(ns) => Value::DurationNs(ns),
            view::Value::Number(number) => Value::Number(number),
            view::Value::Text(text) => Value::Text(text),
        };
        Self {
            name: input.name,
            value: Some(value),
            stage: proto::Stage::from(input.stage).into(),
        }
    }
}

impl TryFrom<proto::Input> for view::Input {
    type Error = Malformed;

    fn try_from(input: proto::Input) -> Result<Self, Malformed> {
        use proto::input::Value;
        let stage = input.stage().into();
        let value = match input.value.ok_or(Malformed("value"))? {
            Value::Quantity(quantity) => view::Value::Quantity(quantity.try_into()?),
            Value::DurationNs(ns) => view::Value::DurationNs(ns),
            Value::Number(number) => view::Value::Number(number),
            Value::Text(text) => view::Value::Text(text),
        };
        Ok(Self {
            name: input.name,
            value,
            stage,
        })
    }
}
