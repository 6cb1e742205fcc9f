//! What a recording consists of.

use super::origins::{Origin, Origins};
use crate::decide::{
    Bounds, Decision, Engine, Entitlement, Policy, Record, Settings, WorkloadSpec,
};
use crate::signal::{Amount, Mode, Nanos, Resource, Slot};
use crate::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

/// A call of one of the engine's functions of the same name, except [`Engine::tick`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// [`Engine::record`].
    Record(Record),
    /// [`Engine::thresholds`]; only where they had changed.
    Thresholds(Slot, Resource),
    /// [`Engine::updates`]; only where there were any.
    Updates,
    /// [`Engine::notices`]; only where there were any.
    Notices,
    /// [`Engine::heard`].
    Heard {
        /// Not after this was it read.
        time: Nanos,
        /// Whose limit.
        slot: Slot,
        /// Of what.
        resource: Resource,
        /// What the kernel holds.
        held: Amount,
    },
    /// [`Engine::adopt`].
    Adopt {
        /// Into which slot.
        slot: Slot,
        /// The slot's epoch.
        epoch: u32,
        /// What is adopted.
        spec: Box<WorkloadSpec>,
        /// Which group it is.
        origin: Origin,
    },
    /// [`Engine::remove`].
    Remove(Slot),
    /// [`Engine::reparent`].
    Reparent(Slot, Option<Slot>),
    /// [`Engine::change_mode`].
    ChangeMode(Slot, Mode),
    /// [`Engine::pin`].
    Pin(Slot, bool),
    /// [`Engine::pause`].
    Pause(bool),
    /// [`Engine::set_settings`].
    SetSettings(Settings),
    /// [`Engine::reconfigure`].
    Reconfigure {
        /// Which workload.
        slot: Slot,
        /// How its limits follow its need from now on.
        policy: Policy,
        /// How it stands among others from now on.
        entitlement: Entitlement,
        /// Its bounds from now on.
        bounds: [Option<Bounds>; 2],
        /// The name of the policy that has it from now on.
        name: String,
    },
}

/// All that is needed to go on from here: the engine, and which groups its workloads are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key<E = Engine, O = Origins> {
    /// The engine.
    pub engine: E,
    /// The groups.
    pub origins: O,
}

/// A call of [`Engine::tick`], and what came out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticked {
    /// The time of the call.
    pub now: Nanos,
    /// What was decided on.
    pub snapshot: Snapshot,
    /// [`Digest`](super::Digest) of all that the engine has said since the last tick.
    pub digest: u32,
    /// What was decided.
    pub decisions: Vec<Decision>,
}

/// One thing in a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "one is read at a time, and used at once"
)]
pub enum Item {
    /// Where it begins.
    Key(Box<Key>),
    /// Some call.
    Call(Call),
    /// A tick.
    Tick(Box<Ticked>),
}
