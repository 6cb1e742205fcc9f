//! From what the fast loop did to why: it had no time to say so itself.

use super::reason::{Input, Otherwise, Reason, Rule};
use crate::signal::{Amount, Denial, Resource, Spend};

/// The reason of a spend.
#[must_use]
pub fn explain(spend: &Spend) -> Reason {
    let event = &spend.event;
    let mut inputs = vec![Input::Event(event.cause)];
    if event.resource == Resource::Memory {
        inputs.push(Input::Use(event.used));
        if !event.headroom.is_unlimited() {
            inputs.push(Input::NodeLeft(event.headroom));
        }
    }
    if spend.granted > Amount::ZERO {
        inputs.push(Input::Granted(spend.granted));
    }
    if spend.granted > Amount::ZERO || spend.denial == Some(Denial::PoolEmpty) {
        inputs.push(Input::PoolLeft(spend.pool_left));
    }
    if spend.denial == Some(Denial::Foreign) {
        inputs.push(Input::Held(event.held));
    }
    Reason {
        resource: event.resource,
        from: spend.from,
        to: spend.to,
        rule: if spend.burst > 1 {
            Rule::SecondLift
        } else {
            Rule::FirstLift
        },
        inputs,
        clamps: Vec::new(),
        denial: spend.denial,
        otherwise: otherwise(spend),
    }
}

/// What would have happened without the lift, or happens for want of it.
fn otherwise(spend: &Spend) -> Otherwise {
    match (spend.denial, spend.event.resource) {
        (Some(Denial::Stale | Denial::Reclaimable | Denial::LimitedAbove), _) => Otherwise::Nothing,
        (Some(Denial::Foreign), _) => Otherwise::Overwritten(spend.event.held),
        (_, Resource::Cpu) => Otherwise::Throttled(spend.from),
        (_, Resource::Memory) => Otherwise::Killed(spend.from),
    }
}
