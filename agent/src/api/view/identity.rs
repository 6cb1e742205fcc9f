//! Who a workload is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::identity::container::Qos;

/// Who a workload is; `None` where that is not known (yet), or where there is no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who told more than its path does: `systemd`, or the socket of a runtime.
    pub sources: Vec<String>,
    /// The unit whose own group it is.
    pub unit: Option<String>,
    /// The unit's line for people.
    pub description: Option<String>,
    /// The slice that the unit is in.
    pub slice: Option<String>,
    /// Tells one start of the unit from the next.
    pub invocation_id: Option<String>,
    /// The container's name; within its pod, if it has one.
    pub container: Option<String>,
    /// The container's id, as its path tells it.
    pub container_id: Option<String>,
    /// The name of its image.
    pub image: Option<String>,
    /// Whether it only holds its pod's namespaces open.
    pub sandbox: bool,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The pod's UID, as its path tells it.
    pub pod_uid: Option<String>,
    /// The pod's class, as its path tells it.
    pub qos: Option<Qos>,
    /// The container's labels, its pod's among them.
    pub labels: BTreeMap<String, String>,
    /// What a scheduler counted.
    pub cpu_request: Option<Quantity>,
    /// The most that was declared.
    pub cpu_limit: Option<Quantity>,
    /// What a scheduler counted; Kubernetes does not tell its runtimes.
    pub memory_request: Option<Quantity>,
    /// The most that was declared.
    pub memory_limit: Option<Quantity>,
}
