//! What became of changes, and what is held back.

use super::{Malformed, need};
use crate::api::{proto, view};

impl From<view::HeldBack> for proto::HeldBack {
    fn from(held: view::HeldBack) -> Self {
        Self {
            guard: held.guard,
            why: held.why,
            to: Some(held.to.into()),
            for_ns: held.for_ns,
            behind: held.behind,
        }
    }
}

impl TryFrom<proto::HeldBack> for view::HeldBack {
    type Error = Malformed;

    fn try_from(held: proto::HeldBack) -> Result<Self, Malformed> {
        Ok(Self {
            guard: held.guard,
            why: held.why,
            to: need(held.to, "to")?,
            for_ns: held.for_ns,
            behind: held.behind,
        })
    }
}

impl From<view::Feedback> for proto::Feedback {
    fn from(feedback: view::Feedback) -> Self {
        Self {
            helped: feedback.helped,
            no_difference: feedback.no_difference,
            hurt: feedback.hurt,
            cut_short: feedback.cut_short,
            cannot_tell: feedback.cannot_tell,
            last: feedback.last.map(Into::into),
            hurt_in_a_row: feedback.hurt_in_a_row,
            patience_ns: feedback.patience_ns,
        }
    }
}

impl TryFrom<proto::Feedback> for view::Feedback {
    type Error = Malformed;

    fn try_from(feedback: proto::Feedback) -> Result<Self, Malformed> {
        Ok(Self {
            helped: feedback.helped,
            no_difference: feedback.no_difference,
            hurt: feedback.hurt,
            cut_short: feedback.cut_short,
            cannot_tell: feedback.cannot_tell,
            last: feedback.last.map(TryInto::try_into).transpose()?,
            hurt_in_a_row: feedback.hurt_in_a_row,
            patience_ns: feedback.patience_ns,
        })
    }
}

impl From<view::Outcome> for proto::Outcome {
    fn from(outcome: view::Outcome) -> Self {
        Self {
            verdict: outcome.verdict,
            ground: outcome.ground,
            text: outcome.text,
            after_ns: outcome.after_ns,
            from: Some(outcome.from.into()),
            to: Some(outcome.to.into()),
            before: Some(outcome.before.into()),
            after: Some(outcome.after.into()),
        }
    }
}

impl TryFrom<proto::Outcome> for view::Outcome {
    type Error = Malformed;

    fn try_from(outcome: proto::Outcome) -> Result<Self, Malformed> {
        Ok(Self {
            verdict: outcome.verdict,
            ground: outcome.ground,
            text: outcome.text,
            after_ns: outcome.after_ns,
            from: need(outcome.from, "from")?,
            to: need(outcome.to, "to")?,
            before: need(outcome.before, "before")?,
            after: need(outcome.after, "after")?,
        })
    }
}

impl From<view::TrialSignals> for proto::TrialSignals {
    fn from(signals: view::TrialSignals) -> Self {
        Self {
            ticks: signals.ticks,
            used: Some(signals.used.into()),
            throttled_per_mille: signals.throttled_per_mille,
            throttled_ns_per_s: signals.throttled_ns_per_s,
            waited_ns_per_s: signals.waited_ns_per_s,
            limit_met: signals.limit_met,
        }
    }
}

impl TryFrom<proto::TrialSignals> for view::TrialSignals {
    type Error = Malformed;

    fn try_from(signals: proto::TrialSignals) -> Result<Self, Malformed> {
        Ok(Self {
            ticks: signals.ticks,
            used: need(signals.used, "used")?,
            throttled_per_mille: signals.throttled_per_mille,
            throttled_ns_per_s: signals.throttled_ns_per_s,
            waited_ns_per_s: signals.waited_ns_per_s,
            limit_met: signals.limit_met,
        })
    }
}

impl From<view::Bound> for proto::Bound {
    fn from(bound: view::Bound) -> Self {
        Self {
            guard: bound.guard,
            from: Some(bound.from.into()),
            to: Some(bound.to.into()),
        }
    }
}

impl TryFrom<proto::Bound> for view::Bound {
    type Error = Malformed;

    fn try_from(bound: proto::Bound) -> Result<Self, Malformed> {
        Ok(Self {
            guard: bound.guard,
            from: need(bound.from, "from")?,
            to: need(bound.to, "to")?,
        })
    }
}

impl From<view::Stage> for proto::Stage {
    fn from(stage: view::Stage) -> Self {
        match stage {
            view::Stage::Event => Self::Unspecified,
            view::Stage::Demand => Self::Demand,
            view::Stage::Forecast => Self::Forecast,
            view::Stage::Arbitration => Self::Arbitration,
        }
    }
}

impl From<proto::Stage> for view::Stage {
    fn from(stage: proto::Stage) -> Self {
        match stage {
            proto::Stage::Unspecified => Self::Event,
            proto::Stage::Demand => Self::Demand,
            proto::Stage::Forecast => Self::Forecast,
            proto::Stage::Arbitration => Self::Arbitration,
        }
    }
}
