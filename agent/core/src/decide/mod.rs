//! Policies, envelopes, the pool, guardrails and explanations.
//!
//! How the two loops of the agent use it:
//! - slow, each second: [`Engine::record`] for every [`Record`] that has come, in order, then
//!   [`Engine::tick`] on a fresh snapshot; the [`Tick`] goes to the fast loop, the journal and the
//!   kernel.
//! - fast: all its work is done at a [`Desk`]. On an event [`Desk::spend`], parents first when both are
//!   short; on a delay [`Desk::delay`]; on the slow loop's word [`Desk::adopt`], [`Desk::refit`],
//!   [`Desk::release`], [`Desk::apply`], [`Desk::audit`].
//!
//! Whatever the fast loop does it tells as a [`Record`].
//!
//! Beside both, [`Shadows`] follow what other policies would have done, and [`Shedding`] keeps the agent itself within its [`Budget`].

mod again;
pub mod arbitrate;
mod attain;
mod brief;
pub mod budget;
mod control;
pub mod decision;
pub mod delay;
pub mod desk;
mod division;
pub mod engine;
pub mod entitlement;
pub mod envelope;
pub mod explain;
mod foreign;
mod foresee;
pub mod grain;
mod guard;
mod hear;
mod loans;
mod node;
mod observe;
pub mod order;
mod policy;
pub mod pool;
pub mod rate;
pub mod reason;
pub mod record;
mod scene;
pub mod sentence;
pub mod settings;
pub mod settle;
pub mod shadow;
pub mod spend;
pub mod thresholds;
mod tick;
pub mod trial;
pub mod view;

pub use arbitrate::{Arbiter, Claim};
pub use budget::{Budget, Change, Overdraft, Shedding, Standing};
pub use decision::{Decision, Notice, NoticeKind, Tick};
pub use delay::{call_in, give_way};
pub use desk::{Desk, Levers, Pulled, Row};
pub use engine::Engine;
pub use entitlement::{Entitlement, Priority};
pub use envelope::{Envelope, EnvelopeUpdate};
pub use explain::explain;
pub use grain::{Grain, Round, quantise};
pub use guard::just_above;
pub use order::{Audit, Settle};
pub use pool::Pool;
pub use reason::Reason;
pub use record::{CalledIn, Record, Refusal, Settled, Synced};
pub use sentence::{Quantity, Rivalry};
pub use settings::{
    Bounds, GiveBack, Headroom, Objective, Policy, Predictive, Settings, Slo, Threshold,
    WorkloadSpec,
};
pub use settle::{adopt, audit, refit, release, settle, unsettle};
pub use shadow::{Beside, Course, Shadow, Shadows};
pub use spend::{refund, spend, written};
pub use thresholds::Thresholds;
pub use trial::{Outcome, Verdict};
pub use view::View;
