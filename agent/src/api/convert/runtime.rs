//! Language runtimes.

use crate::api::{proto, view::Runtime};

impl From<Runtime> for proto::Runtime {
    fn from(runtime: Runtime) -> Self {
        Self {
            name: runtime.name,
            version: runtime.version,
            processes: runtime.processes,
            sizing: runtime.sizing,
            unbounded: runtime.unbounded,
        }
    }
}

impl From<proto::Runtime> for Runtime {
    fn from(runtime: proto::Runtime) -> Self {
        Self {
            name: runtime.name,
            version: runtime.version,
            processes: runtime.processes,
            sizing: runtime.sizing,
            unbounded: runtime.unbounded,
        }
    }
}
