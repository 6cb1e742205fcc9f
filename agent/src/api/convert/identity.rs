//! Who a workload is, both ways.

use super::{Malformed, proto, view};
use crate::identity::container::Qos;

impl From<Qos> for proto::QosClass {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::Guaranteed => Self::Guaranteed,
            Qos::Burstable => Self::Burstable,
            Qos::BestEffort => Self::BestEffort,
        }
    }
}

/// The class; none where it is not said.
fn qos(class: proto::QosClass) -> Option<Qos> {
    match class {
        proto::QosClass::Unspecified => None,
        proto::QosClass::Guaranteed => Some(Qos::Guaranteed),
        proto::QosClass::Burstable => Some(Qos::Burstable),
        proto::QosClass::BestEffort => Some(Qos::BestEffort),
    }
}

impl From<view::Identity> for proto::Identity {
    fn from(identity: view::Identity) -> Self {
        let class = identity
            .qos
            .map_or(proto::QosClass::Unspecified, Into::into);
        Self {
            sources: identity.sources,
            unit: identity.unit,
            description: identity.description,
            slice: identity.slice,
            invocation_id: identity.invocation_id,
            container: identity.container,
            container_id: identity.container_id,
            image: identity.image,
            sandbox: identity.sandbox,
            namespace: identity.namespace,
            pod: identity.pod,
            pod_uid: identity.pod_uid,
            qos: class.into(),
            labels: identity.labels.into_iter().collect(),
            cpu_request: identity.cpu_request.map(Into::into),
            cpu_limit: identity.cpu_limit.map(Into::into),
            memory_request: identity.memory_request.map(Into::into),
            memory_limit: identity.memory_limit.map(Into::into),
        }
    }
}

impl TryFrom<proto::Identity> for view::Identity {
    type Error = Malformed;

    fn try_from(identity: proto::Identity) -> Result<Self, Malformed> {
        let class = qos(identity.qos());
        Ok(Self {
            sources: identity.sources,
            unit: identity.unit,
            description: identity.description,
            slice: identity.slice,
            invocation_id: identity.invocation_id,
            container: identity.container,
            container_id: identity.container_id,
            image: identity.image,
            sandbox: identity.sandbox,
            namespace: identity.namespace,
            pod: identity.pod,
            pod_uid: identity.pod_uid,
            qos: class,
            labels: identity.labels.into_iter().collect(),
            cpu_request: identity.cpu_request.map(TryInto::try_into).transpose()?,
            cpu_limit: identity.cpu_limit.map(TryInto::try_into).transpose()?,
            memory_request: identity.memory_request.map(TryInto::try_into).transpose()?,
            memory_limit: identity.memory_limit.map(TryInto::try_into).transpose()?,
        })
    }
}
