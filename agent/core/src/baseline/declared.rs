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
    pub(super) const fn of(seen: &Seen) -> Self {
        Self {
            request: [seen.cpu.request, seen.memory.request],
            limit: [seen.cpu.limit, seen.memory.limit],
        }
    }

    /// The limit.
    pub(super) const fn limit(&self, resource: Resource) -> Amount {
        self.limit[resource.index()]
    }

    /// The request; where there is none, the limit, as Kubernetes fills it in; 0 if there is neither.
    pub(super) fn request(&self, resource: Resource) -> Amount {
        let request = self.request[resource.index()];
        let limit = self.limit(resource);
        if request == Amount::ZERO && !limit.is_unlimited() {
            limit
        } else {
            request
        }
    }
}
