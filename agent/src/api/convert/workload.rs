//! Workloads and what belongs to them.

use trimtab_core::signal::Mode;

use super::{Malformed, all, each, histogram::histogram, need};
use crate::api::{proto, view};

impl From<view::Workload> for proto::Workload {
    fn from(workload: view::Workload) -> Self {
        Self {
            name: workload.name,
            path: workload.path,
            policy: workload.policy,
            mode: proto::Mode::from(workload.mode).into(),
            pinned: workload.pinned,
            owner: workload.owner,
            identity: Some(workload.identity.into()),
            parent: workload.parent,
            age_ns: workload.age_ns,
            warming_up: workload.warming_up,
            cpu_weight: workload.cpu_weight,
            cpu: workload.cpu.map(Into::into),
            memory: workload.memory.map(Into::into),
            gpus: all(workload.gpus),
            energy: workload.energy.map(Into::into),
            signals: Some(workload.signals.into()),
            anomalies: all(workload.anomalies),
            beyond: Some(workload.beyond.into()),
        }
    }
}

impl TryFrom<proto::Workload> for view::Workload {
    type Error = Malformed;

    fn try_from(workload: proto::Workload) -> Result<Self, Malformed> {
        let mode = Mode::try_from(workload.mode())?;
        Ok(Self {
            name: workload.name,
            path: workload.path,
            policy: workload.policy,
            mode,
            pinned: workload.pinned,
            owner: workload.owner,
            identity: need(workload.identity, "identity")?,
            parent: workload.parent,
            age_ns: workload.age_ns,
            warming_up: workload.warming_up,
            cpu_weight: workload.cpu_weight,
            cpu: workload.cpu.map(TryInto::try_into).transpose()?,
            memory: workload.memory.map(TryInto::try_into).transpose()?,
            gpus: each(workload.gpus)?,
            energy: workload.energy.map(Into::into),
            signals: need(workload.signals, "signals")?,
            anomalies: each(workload.anomalies)?,
            beyond: need(workload.beyond, "beyond")?,
        })
    }
}

impl From<view::ResourceState> for proto::ResourceState {
    fn from(state: view::ResourceState) -> Self {
        Self {
            used: Some(state.used.into()),
            limit: Some(state.limit.into()),
            original: Some(state.original.into()),
            floor: Some(state.floor.into()),
            target: Some(state.target.into()),
            ceiling: Some(state.ceiling.into()),
            lent: Some(state.lent.into()),
            limited_by: state.limited_by,
            foreign: state.foreign,
            held_back: state.held_back.map(Into::into),
            feedback: Some(state.feedback.into()),
        }
    }
}

impl TryFrom<proto::ResourceState> for view::ResourceState {
    type Error = Malformed;

    fn try_from(state: proto::ResourceState) -> Result<Self, Malformed> {
        Ok(Self {
            used: need(state.used, "used")?,
            limit: need(state.limit, "limit")?,
            original: need(state.original, "original")?,
            floor: need(state.floor, "floor")?,
            target: need(state.target, "target")?,
            ceiling: need(state.ceiling, "ceiling")?,
            lent: need(state.lent, "lent")?,
            limited_by: state.limited_by,
            foreign: state.foreign,
            held_back: state.held_back.map(TryInto::try_into).transpose()?,
            feedback: need(state.feedback, "feedback")?,
        })
    }
}

impl From<view::Signals> for proto::Signals {
    fn from(signals: view::Signals) -> Self {
        Self {
            waiting_p50_ns: signals.waiting_p50_ns,
            waiting_p99_ns: signals.waiting_p99_ns,
            waited_ns: signals.waited_ns,
            throttled_ns: signals.throttled_ns,
            throttled_periods: signals.throttled_periods,
            oom_kills: signals.oom_kills,
            cpu_pressure_bp: signals.cpu_pressure_bp,
            memory_pressure_bp: signals.memory_pressure_bp,
            tcp: signals.tcp.map(Into::into),
        }
    }
}

impl From<proto::Signals> for view::Signals {
    fn from(signals: proto::Signals) -> Self {
        Self {
            waiting_p50_ns: signals.waiting_p50_ns,
            waiting_p99_ns: signals.waiting_p99_ns,
            waited_ns: signals.waited_ns,
            throttled_ns: signals.throttled_ns,
            throttled_periods: signals.throttled_periods,
            oom_kills: signals.oom_kills,
            cpu_pressure_bp: signals.cpu_pressure_bp,
            memory_pressure_bp: signals.memory_pressure_bp,
            tcp: signals.tcp.map(Into::into),
        }
    }
}

impl From<view::Counters> for proto::Counters {
    fn from(counters: view::Counters) -> Self {
        Self {
            lifts: counters.lifts,
            trims: counters.trims,
            denials: counters.denials,
            foreign_writes: counters.foreign_writes,
        }
    }
}

impl From<proto::Counters> for view::Counters {
    fn from(counters: proto::Counters) -> Self {
        Self {
            lifts: counters.lifts,
            trims: counters.trims,
            denials: counters.denials,
            foreign_writes: counters.foreign_writes,
        }
    }
}

impl From<view::Detail> for proto::GetWorkloadReply {
    fn from(detail: view::Detail) -> Self {
        Self {
            workload: Some(detail.workload.into()),
            children: detail.children,
            counters: Some(detail.counters.into()),
            stalls: Some(detail.stalls.into()),
            recent: all(detail.recent),
            runtimes: all(detail.runtimes),
            waits: detail.waits.map(histogram),
            answers: detail.answers.map(histogram),
        }
    }
}

impl TryFrom<proto::GetWorkloadReply> for view::Detail {
    type Error = Malformed;

    fn try_from(detail: proto::GetWorkloadReply) -> Result<Self, Malformed> {
        Ok(Self {
            workload: need(detail.workload, "workload")?,
            children: detail.children,
            counters: need(detail.counters, "counters")?,
            stalls: need(detail.stalls, "stalls")?,
            recent: each(detail.recent)?,
            runtimes: all(detail.runtimes),
            waits: detail.waits.map(|histogram| all(histogram.bins)),
            answers: detail.answers.map(|histogram| all(histogram.bins)),
        })
    }
}

impl From<view::Adoption> for proto::AdoptRequest {
    fn from(adoption: view::Adoption) -> Self {
        Self {
            path: adoption.path,
            name: adoption.name,
            cpu_ceiling_micro_cpus: adoption.cpu_ceiling_micro_cpus,
            memory_ceiling_bytes: adoption.memory_ceiling_bytes,
        }
    }
}

impl From<proto::AdoptRequest> for view::Adoption {
    fn from(adoption: proto::AdoptRequest) -> Self {
        Self {
            path: adoption.path,
            name: adoption.name,
            cpu_ceiling_micro_cpus: adoption.cpu_ceiling_micro_cpus,
            memory_ceiling_bytes: adoption.memory_ceiling_bytes,
        }
    }
}

impl From<view::Released> for proto::ReleaseReply {
    fn from(released: view::Released) -> Self {
        Self {
            counters: Some(released.counters.into()),
            signals: Some(released.signals.into()),
            waited_ns: released.waited_ns,
        }
    }
}

impl TryFrom<proto::ReleaseReply> for view::Released {
    type Error = Malformed;

    fn try_from(released: proto::ReleaseReply) -> Result<Self, Malformed> {
        Ok(Self {
            counters: need(released.counters, "counters")?,
            signals: need(released.signals, "signals")?,
            waited_ns: released.waited_ns,
        })
    }
}
