//! Whether a pod should be updated.

use super::super::number::float;
use super::params::Params;
use super::recommender::Recommendation;
use crate::signal::{Amount, Nanos, Resource};

/// What the updater looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pod {
    /// What is requested now, for CPU and memory; 0 for none.
    pub(super) request: [Amount; 2],
    /// When the pod began.
    pub(super) began: Nanos,
    /// Whether its last container was killed for want of memory soon after its start.
    pub(super) quick_oom: bool,
}

impl Pod {
    /// Whether its requests should become those that are recommended.
    pub(super) fn is_due(&self, params: &Params, now: Nanos, wanted: &Recommendation) -> bool {
        let mut outside = false;
        let mut change = 0.0;
        for resource in Resource::ALL {
            let request = self.request[resource.index()];
            let bounds = wanted[resource.index()];
            outside |= request == Amount::ZERO || request < bounds.lower || request > bounds.upper;
            let request = float(request.0).max(1.0);
            change += (request - float(bounds.target.0)).abs() / request;
        }
        let worth_it = now >= self.began.plus(params.lifetime) && change >= params.change;
        let changes = change > 0.0;
        if self.quick_oom {
            changes
        } else {
            outside || worth_it
        }
    }
}
