//! What a workload would have without a controller.

use crate::node::Seen;
use crate::signal::{Amount, Resource};

/// As it was when the workload began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    request: [Amount; 2],
    limit: [Amount; 2],
}

impl Declared {
    /// Of a workload that begins.
    pub(super) fn of(seen: &Seen) -> Self {
        Self {
            request: Resource::ALL.map(|resource| seen.request(resource)),
            limit: [seen.cpu.limit, seen.memory.limit],
        }
    }

    /// The limit.
    pub(super) const fn limit(&self, resource: Resource) -> Amount {
        self.limit[resource.index()]
    }

    /// The request, or what stands for it.
    pub(super) const fn request(&self, resource: Resource) -> Amount {
        self.request[resource.index()]
    }
}
