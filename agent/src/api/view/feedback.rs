//! What became of changes, and what is held back.

use serde::{Deserialize, Serialize};

use super::Quantity;

/// What the policy wants and a guardrail does not let it have now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// The guardrail, such as `ceiling` or `cooldown`; `rival` where others are entitled to it.
    pub guard: String,
    /// The same in words.
    pub why: String,
    /// Where the limit was to go.
    pub to: Quantity,
    /// For how long it has been so.
    pub for_ns: u64,
    /// Path of the workload that goes first; `None` where none does.
    pub behind: Option<String>,
}

/// What became of the changes of one limit since adoption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The workload could do what it could not have done before.
    pub helped: u64,
    /// It fared as before.
    pub no_difference: u64,
    /// It fared worse.
    pub hurt: u64,
    /// Another change came too soon to say.
    pub cut_short: u64,
    /// There was nothing to go by, or something else explains it as well.
    pub cannot_tell: u64,
    /// The last one.
    pub last: Option<Outcome>,
    /// Trims in a row that hurt, or had to be taken back at once.
    pub hurt_in_a_row: u32,
    /// For how long after a raise nothing is trimmed since; `None` where none hurt.
    pub patience_ns: Option<u64>,
}

/// What became of one change: what the signals did next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `helped`, `no-difference`, `hurt`, `cut-short` or `cannot-tell`.
    pub verdict: String,
    /// What says so, such as `beyond` or `eased`.
    pub ground: String,
    /// One sentence.
    pub text: String,
    /// From the change to the verdict.
    pub after_ns: u64,
    /// The limit before; of several lifts of one burst, before the first.
    pub from: Quantity,
    /// The limit after.
    pub to: Quantity,
    /// The ticks before the change.
    pub before: TrialSignals,
    /// The ticks after it.
    pub after: TrialSignals,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            verdict: String::new(),
            ground: String::new(),
            text: String::new(),
            after_ns: 0,
            from: Quantity::Unlimited,
            to: Quantity::Unlimited,
            before: TrialSignals::default(),
            after: TrialSignals::default(),
        }
    }
}

/// Signals over some ticks; `None` for those that the resource does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialSignals {
    /// How many ticks.
    pub ticks: u32,
    /// Mean use.
    pub used: Quantity,
    /// Mean share of periods that were throttled.
    pub throttled_per_mille: Option<u32>,
    /// Mean time throttled.
    pub throttled_ns_per_s: Option<u64>,
    /// Mean time that tasks waited on run queues behind others.
    pub waited_ns_per_s: Option<u64>,
    /// How often the memory limit was met, in all of the ticks.
    pub limit_met: Option<u32>,
}

impl Default for TrialSignals {
    fn default() -> Self {
        Self {
            ticks: 0,
            used: Quantity::Unlimited,
            throttled_per_mille: None,
            throttled_ns_per_s: None,
            waited_ns_per_s: None,
            limit_met: None,
        }
    }
}

/// A step from a proposal to a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The guardrail, such as `ceiling`; `rival` and `pool` are arbitration's.
    pub guard: String,
    /// What was proposed.
    pub from: Quantity,
    /// What it became.
    pub to: Quantity,
}

/// The part of a decision to which an input belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// What raised it.
    #[default]
    Event,
    /// What is needed.
    Demand,
    /// What is foreseen.
    Forecast,
    /// What the node has for it, and who goes first.
    Arbitration,
}
