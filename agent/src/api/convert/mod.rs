//! Between the protobuf types and the plain ones, both ways.
//!
//! Towards protobuf nothing can fail. Back, a field that must be there may be missing when the
//! other side is of another version: that is [`Malformed`].

mod anomaly;
mod compare;
mod cost;
mod energy;
mod feedback;
mod gpu;
mod histogram;
mod identity;
mod journal;
mod process;
mod recording;
mod room;
mod runtime;
mod stalls;
mod tcp;
mod why;
mod workload;

use trimtab_core::signal::{Mode, Resource};

use super::{proto, view};

/// The other side sent something that this version cannot read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the agent's answer lacks `{0}`; are `trimtab` and the agent of the same version?")]
pub struct Malformed(pub(super) &'static str);

/// The value of a field that must be there.
pub(super) fn need<T, U: TryFrom<T>>(value: Option<T>, field: &'static str) -> Result<U, Malformed>
where
    Malformed: From<U::Error>,
{
    Ok(U::try_from(value.ok_or(Malformed(field))?)?)
}

/// A list of protobuf values as plain ones.
pub(super) fn each<T, U: TryFrom<T>>(values: Vec<T>) -> Result<Vec<U>, U::Error> {
    values.into_iter().map(U::try_from).collect()
}

impl From<std::convert::Infallible> for Malformed {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// A list of plain values as protobuf.
pub(super) fn all<T, U: From<T>>(values: Vec<T>) -> Vec<U> {
    values.into_iter().map(U::from).collect()
}

impl From<Resource> for proto::Resource {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::Cpu => Self::Cpu,
            Resource::Memory => Self::Memory,
        }
    }
}

impl TryFrom<proto::Resource> for Resource {
    type Error = Malformed;

    fn try_from(resource: proto::Resource) -> Result<Self, Malformed> {
        match resource {
            proto::Resource::Cpu => Ok(Self::Cpu),
            proto::Resource::Memory => Ok(Self::Memory),
            proto::Resource::Unspecified => Err(Malformed("resource")),
        }
    }
}

impl From<Mode> for proto::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Observe => Self::Observe,
            Mode::Recommend => Self::Recommend,
            Mode::Enforce => Self::Enforce,
        }
    }
}

impl TryFrom<proto::Mode> for Mode {
    type Error = Malformed;

    fn try_from(mode: proto::Mode) -> Result<Self, Malformed> {
        match mode {
            proto::Mode::Observe => Ok(Self::Observe),
            proto::Mode::Recommend => Ok(Self::Recommend),
            proto::Mode::Enforce => Ok(Self::Enforce),
            proto::Mode::Unspecified => Err(Malformed("mode")),
        }
    }
}

impl From<view::Quantity> for proto::Quantity {
    fn from(quantity: view::Quantity) -> Self {
        use proto::quantity::Amount;
        let amount = match quantity {
            view::Quantity::MicroCpus(micro_cpus) => Amount::MicroCpus(micro_cpus),
            view::Quantity::Bytes(bytes) => Amount::Bytes(bytes),
            view::Quantity::Unlimited => Amount::Unlimited(true),
        };
        Self {
            amount: Some(amount),
        }
    }
}

impl TryFrom<proto::Quantity> for view::Quantity {
    type Error = Malformed;

    fn try_from(quantity: proto::Quantity) -> Result<Self, Malformed> {
        use proto::quantity::Amount;
        match quantity.amount.ok_or(Malformed("amount"))? {
            Amount::MicroCpus(micro_cpus) => Ok(Self::MicroCpus(micro_cpus)),
            Amount::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Amount::Unlimited(_) => Ok(Self::Unlimited),
        }
    }
}

impl From<view::Status> for proto::StatusReply {
    fn from(status: view::Status) -> Self {
        Self {
            version: status.version,
            pid: status.pid,
            started_unix_ns: status.started_unix_ns,
            uptime_ns: status.uptime_ns,
            paused: status.paused,
            config_path: status.config_path,
            config_error: status.config_error,
            observed: status.observed,
            recommended: status.recommended,
            enforced: status.enforced,
            pinned: status.pinned,
            room: Some(status.room.into()),
            anomalies: all(status.anomalies),
            pools: all(status.pools),
            fast_loop: Some(status.fast_loop.into()),
            pressure: Some(status.pressure.into()),
            gpus: Some(status.gpus.into()),
            energy: Some(status.energy.into()),
            identity: all(status.identity),
            recording: status.recording.map(Into::into),
            probes_on: status.probes_on,
            probes_off: status.probes_off,
            probes_lacking: all(status.probes_lacking),
            cpu_time_ns: status.cpu_time_ns,
            resident_bytes: status.resident_bytes,
            cost: Some(status.cost.into()),
            journal_seq: status.journal_seq,
        }
    }
}

impl TryFrom<proto::StatusReply> for view::Status {
    type Error = Malformed;

    fn try_from(status: proto::StatusReply) -> Result<Self, Malformed> {
        Ok(Self {
            version: status.version,
            pid: status.pid,
            started_unix_ns: status.started_unix_ns,
            uptime_ns: status.uptime_ns,
            paused: status.paused,
            config_path: status.config_path,
            config_error: status.config_error,
            observed: status.observed,
            recommended: status.recommended,
            enforced: status.enforced,
            pinned: status.pinned,
            room: need(status.room, "room")?,
            anomalies: each(status.anomalies)?,
            pools: each(status.pools)?,
            fast_loop: need(status.fast_loop, "fast_loop")?,
            pressure: need(status.pressure, "pressure")?,
            gpus: need(status.gpus, "gpus")?,
            energy: need(status.energy, "energy")?,
            identity: each(status.identity)?,
            recording: status.recording.map(TryInto::try_into).transpose()?,
            probes_on: status.probes_on,
            probes_off: status.probes_off,
            probes_lacking: each(status.probes_lacking)?,
            cpu_time_ns: status.cpu_time_ns,
            resident_bytes: status.resident_bytes,
            cost: need(status.cost, "cost")?,
            journal_seq: status.journal_seq,
        })
    }
}

impl From<view::Pool> for proto::Pool {
    fn from(pool: view::Pool) -> Self {
        Self {
            resource: proto::Resource::from(pool.resource).into(),
            capacity: Some(pool.capacity.into()),
            reserve: Some(pool.reserve.into()),
            floors: Some(pool.floors.into()),
            unmanaged: Some(pool.unmanaged.into()),
            size: Some(pool.size.into()),
            lent: Some(pool.lent.into()),
            used: Some(pool.used.into()),
        }
    }
}

impl TryFrom<proto::Pool> for view::Pool {
    type Error = Malformed;

    fn try_from(pool: proto::Pool) -> Result<Self, Malformed> {
        Ok(Self {
            resource: pool.resource().try_into()?,
            capacity: need(pool.capacity, "capacity")?,
            reserve: need(pool.reserve, "reserve")?,
            floors: need(pool.floors, "floors")?,
            unmanaged: need(pool.unmanaged, "unmanaged")?,
            size: need(pool.size, "size")?,
            lent: need(pool.lent, "lent")?,
            used: need(pool.used, "used")?,
        })
    }
}

impl From<view::FastLoop> for proto::FastLoop {
    fn from(fast: view::FastLoop) -> Self {
        Self {
            scheduling: fast.scheduling,
            memory_locked: fast.memory_locked,
            events: fast.events,
            lifts: fast.lifts,
            denied: fast.denied,
            lost: fast.lost,
            reaction_p50_ns: fast.reaction_p50_ns,
            reaction_p99_ns: fast.reaction_p99_ns,
            own_wait_p99_ns: fast.own_wait_p99_ns,
        }
    }
}

impl From<proto::FastLoop> for view::FastLoop {
    fn from(fast: proto::FastLoop) -> Self {
        Self {
            scheduling: fast.scheduling,
            memory_locked: fast.memory_locked,
            events: fast.events,
            lifts: fast.lifts,
            denied: fast.denied,
            lost: fast.lost,
            reaction_p50_ns: fast.reaction_p50_ns,
            reaction_p99_ns: fast.reaction_p99_ns,
            own_wait_p99_ns: fast.own_wait_p99_ns,
        }
    }
}

impl From<view::Finding> for proto::Finding {
    fn from(finding: view::Finding) -> Self {
        let state = match finding.state {
            view::FindingState::On => proto::FindingState::On,
            view::FindingState::Degraded => proto::FindingState::Degraded,
            view::FindingState::Off => proto::FindingState::Off,
            view::FindingState::None => proto::FindingState::None,
        };
        Self {
            area: finding.area,
            name: finding.name,
            state: state.into(),
            why: finding.why,
            remedy: finding.remedy,
        }
    }
}

impl TryFrom<proto::Finding> for view::Finding {
    type Error = Malformed;

    fn try_from(finding: proto::Finding) -> Result<Self, Malformed> {
        let state = match finding.state() {
            proto::FindingState::On => view::FindingState::On,
            proto::FindingState::Degraded => view::FindingState::Degraded,
            proto::FindingState::Off => view::FindingState::Off,
            proto::FindingState::None => view::FindingState::None,
            proto::FindingState::Unspecified => return Err(Malformed("state")),
        };
        Ok(Self {
            area: finding.area,
            name: finding.name,
            state,
            why: finding.why,
            remedy: finding.remedy,
        })
    }
}
