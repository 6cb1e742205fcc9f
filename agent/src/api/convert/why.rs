//! Why a workload waited.

use super::{Malformed, all, each};
use crate::api::{
    proto,
    view::{WaitCause, WaitKind, Why},
};

impl From<Why> for proto::WhyReply {
    fn from(why: Why) -> Self {
        Self {
            workload: why.workload,
            path: why.path,
            window_ns: why.window_ns,
            ran_ns: why.ran_ns,
            waited_ns: why.waited_ns,
            causes: all(why.causes),
        }
    }
}

impl TryFrom<proto::WhyReply> for Why {
    type Error = Malformed;

    fn try_from(why: proto::WhyReply) -> Result<Self, Malformed> {
        Ok(Self {
            workload: why.workload,
            path: why.path,
            window_ns: why.window_ns,
            ran_ns: why.ran_ns,
            waited_ns: why.waited_ns,
            causes: each(why.causes)?,
        })
    }
}

impl From<WaitCause> for proto::WaitCause {
    fn from(cause: WaitCause) -> Self {
        let kind = match cause.cause {
            WaitKind::Quota => proto::WaitKind::Quota,
            WaitKind::Siblings => proto::WaitKind::Siblings,
            WaitKind::Workload => proto::WaitKind::Workload,
            WaitKind::Group => proto::WaitKind::Group,
            WaitKind::System => proto::WaitKind::System,
            WaitKind::Interrupts => proto::WaitKind::Interrupts,
            WaitKind::Idle => proto::WaitKind::Idle,
            WaitKind::Others => proto::WaitKind::Others,
            WaitKind::Short => proto::WaitKind::Short,
        };
        Self {
            cause: kind.into(),
            behind: cause.behind.unwrap_or_default(),
            ns: cause.ns,
        }
    }
}

impl TryFrom<proto::WaitCause> for WaitCause {
    type Error = Malformed;

    fn try_from(cause: proto::WaitCause) -> Result<Self, Malformed> {
        let kind = match cause.cause() {
            proto::WaitKind::Quota => WaitKind::Quota,
            proto::WaitKind::Siblings => WaitKind::Siblings,
            proto::WaitKind::Workload => WaitKind::Workload,
            proto::WaitKind::Group => WaitKind::Group,
            proto::WaitKind::System => WaitKind::System,
            proto::WaitKind::Interrupts => WaitKind::Interrupts,
            proto::WaitKind::Idle => WaitKind::Idle,
            proto::WaitKind::Others => WaitKind::Others,
            proto::WaitKind::Short => WaitKind::Short,
            proto::WaitKind::Unspecified => return Err(Malformed("cause")),
        };
        Ok(Self {
            cause: kind,
            behind: Some(cause.behind).filter(|behind| !behind.is_empty()),
            ns: cause.ns,
        })
    }
}
