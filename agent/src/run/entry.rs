//! Journal entries from what the core and the fast thread say.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use trimtab_core::{
    decide::{
        CalledIn, Decision, Notice, NoticeKind, Objective, Reason, Settled,
        reason::{Input, Rule},
    },
    signal::{Amount, Denial, Mode, Nanos, Resource, Spend},
};

use super::{
    feedback::{bound, stage},
    workload::Workload,
};
use crate::api::view::{self, Entry, EntryKind, Quantity, Stage, Value};

/// An entry about a workload, with everything that all kinds have in common.
fn entry(kind: EntryKind, time: Nanos, workload: &Workload, resource: Resource) -> Entry {
    Entry {
        kind,
        monotonic_ns: time.0,
        unix_ns: unix_ns(),
        workload: workload.name.clone(),
        path: workload.shown_path(),
        resource: Some(resource),
        ..Entry::default()
    }
}

/// Now, in ns since the Unix epoch.
pub(super) fn unix_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What the fast thread did about one event. `above` is the path of the level that limits when it is not ours.
pub(super) fn spend(
    workload: &Workload,
    spend: &Spend,
    latency: u64,
    reason: &Reason,
    above: Option<&str>,
) -> Entry {
    let resource = spend.event.resource;
    let mut reason = explain(reason);
    if let Some(above) = above {
        reason.text = format!("{}; limited by {above}", reason.text);
        reason.inputs.push(view::Input {
            stage: Stage::Arbitration,
            ..input("limited-by", Value::Text(above.into()))
        });
    }
    Entry {
        from: Some(Quantity::new(resource, spend.from)),
        to: Some(Quantity::new(resource, spend.to)),
        cause: word(&spend.event.cause),
        rule: String::new(),
        denial: spend.denial.as_ref().map(word),
        written: spend.denial.is_none(),
        latency_ns: Some(latency),
        reason,
        ..entry(EntryKind::Spend, spend.event.time, workload, resource)
    }
}

/// A decision of the slow loop, before it is known what became of it.
pub(super) fn decision(workload: &Workload, decision: &Decision) -> Entry {
    let resource = decision.resource;
    Entry {
        from: Some(Quantity::new(resource, decision.from)),
        to: Some(Quantity::new(resource, decision.to)),
        cause: "tick".into(),
        rule: word(&decision.reason.rule),
        written: false,
        reason: explain(&decision.reason),
        ..entry(EntryKind::Decision, decision.time, workload, resource)
    }
}

/// What the fast thread has taken back: memory because the node had run short, CPU for one who
/// uses no more than its own.
pub(super) fn recalled(workload: &Workload, settled: &Settled) -> Entry {
    let (cause, why) = match settled.resource {
        Resource::Memory => (
            "node-short",
            "the node has run short, and what was lent and is not in use goes back",
        ),
        Resource::Cpu => (
            "pool-empty",
            "the pool is empty, and who uses no more than its own goes before who borrows all the time",
        ),
    };
    let text = format!(
        "{} {} -> {}: {why}",
        settled.resource,
        shown(settled.resource, settled.from),
        shown(settled.resource, settled.to),
    );
    Entry {
        from: Some(Quantity::new(settled.resource, settled.from)),
        to: Some(Quantity::new(settled.resource, settled.to)),
        cause: cause.into(),
        rule: word(&Rule::Recall),
        reason: view::Reason {
            text,
            ..view::Reason::default()
        },
        ..entry(
            EntryKind::Decision,
            settled.time,
            workload,
            settled.resource,
        )
    }
}

/// CPU that the fast thread has taken back because it kept others waiting, `waiting` the last.
pub(super) fn called_in(workload: &Workload, called: &CalledIn, waiting: &str) -> Entry {
    let CalledIn {
        settled,
        delay,
        barred,
    } = called;
    let text = format!(
        "cpu {} -> {}: what was lent kept others waiting for {}, {waiting} the last, who use no more than their own; nothing is lent for {} s",
        shown(Resource::Cpu, settled.from),
        shown(Resource::Cpu, settled.to),
        delay.waited,
        barred.since(settled.time).0.div_ceil(Nanos::SECOND.0),
    );
    Entry {
        from: Some(Quantity::new(settled.resource, settled.from)),
        to: Some(Quantity::new(settled.resource, settled.to)),
        cause: "loan-delays".into(),
        rule: word(&Rule::CallIn),
        reason: view::Reason {
            text,
            ..view::Reason::default()
        },
        ..entry(EntryKind::Decision, delay.time, workload, settled.resource)
    }
}

/// What became of a decision: completes its entry.
pub(super) fn settled(mut entry: Entry, settled: &Settled) -> Entry {
    entry.to = Some(Quantity::new(settled.resource, settled.to));
    entry.written = settled.refusal.is_none();
    entry.denial = settled.refusal.as_ref().map(word);
    entry
}

/// Something that people should know and that is no decision.
pub(super) fn notice(workload: &Workload, notice: &Notice) -> Entry {
    let quantity = |amount| Quantity::new(notice.resource, amount);
    let mut entry = entry(EntryKind::Notice, notice.time, workload, notice.resource);
    entry.cause = "foreign-write".into();
    entry.reason.text = match notice.what {
        NoticeKind::Foreign {
            ours,
            theirs,
            until,
        } => {
            (entry.from, entry.to) = (Some(quantity(ours)), Some(quantity(theirs)));
            format!(
                "somebody else set {} where {} had been set; theirs is the new original and is left alone for {} s",
                shown(notice.resource, theirs),
                shown(notice.resource, ours),
                until.since(notice.time).0 / Nanos::SECOND.0
            )
        }
        NoticeKind::WriteWar { theirs, writes } => {
            entry.to = Some(quantity(theirs));
            format!(
                "somebody else has set this limit {writes} times; it stays at {} and is not managed any more",
                shown(notice.resource, theirs)
            )
        }
        NoticeKind::OwnerChanged { from, to } => {
            (entry.from, entry.to) = (Some(quantity(from)), Some(quantity(to)));
            format!(
                "the owner changed the limit from {} to {}",
                shown(notice.resource, from),
                shown(notice.resource, to)
            )
        }
        NoticeKind::Resumed => {
            entry.cause = "resumed".into();
            "the limit has been left alone long enough; it is managed again".into()
        }
        NoticeKind::BackedOff { trims, patience } => {
            entry.cause = "backed-off".into();
            format!(
                "the last {trims} trims hurt or had to be taken back at once; from now on it is not trimmed for {patience} after a raise"
            )
        }
        NoticeKind::InVain { raises } => {
            entry.cause = "raised-in-vain".into();
            format!(
                "the last {raises} raises made no difference: it is short as often as before, so something else holds it up; it is raised all the same"
            )
        }
    };
    entry
}

/// A plain notice about a workload.
pub(super) fn remark(
    workload: &Workload,
    now: Nanos,
    resource: Option<Resource>,
    cause: &str,
    text: String,
) -> Entry {
    let mut entry = entry(
        EntryKind::Notice,
        now,
        workload,
        resource.unwrap_or(Resource::Cpu),
    );
    entry.resource = resource;
    entry.cause = cause.into();
    entry.reason.text = text;
    entry
}

/// A workload that has changed its mode, or was to.
pub(super) fn mode(workload: &Workload, now: Nanos, from: Mode, wanted: Mode) -> Entry {
    let change = format!("mode {} -> {}", word(&from), word(&workload.mode));
    let text = match (from, workload.mode) {
        (_, got) if got != wanted => format!(
            "mode {} cannot be had: its limits cannot be taken over, and the agent's log says why; it is in mode {}",
            word(&wanted),
            word(&got)
        ),
        (Mode::Enforce, _) => {
            format!("{change}: its owner's limits go back, and no limit is written any more")
        }
        (_, Mode::Enforce) => {
            format!(
                "{change}: its owner's limits are noted, and it is lifted and trimmed from here on"
            )
        }
        (_, Mode::Recommend) => format!("{change}: decisions are made and told, not written"),
        (_, Mode::Observe) => format!("{change}: no decisions are made any more"),
    };
    remark(workload, now, None, "mode", text)
}

/// A notice that is about no workload.
pub(super) fn about_node(now: Nanos, cause: &str, text: String) -> Entry {
    Entry {
        kind: EntryKind::Notice,
        monotonic_ns: now.0,
        unix_ns: unix_ns(),
        cause: cause.into(),
        reason: view::Reason {
            text,
            ..view::Reason::default()
        },
        ..Entry::default()
    }
}

/// An amount in its human unit.
pub(super) fn shown(resource: Resource, amount: Amount) -> String {
    match resource {
        _ if amount.is_unlimited() => "no limit".into(),
        Resource::Cpu => format!(
            "{}.{:03} CPU",
            amount.0 / Amount::CPU.0,
            amount.0 % Amount::CPU.0 / 1000
        ),
        Resource::Memory => format!("{} MiB", amount.0.div_ceil(Amount::MIB.0)),
    }
}

/// The word that an enum has in JSON: one vocabulary everywhere.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(serde_json::Value::Object(fields)) => fields
            .into_iter()
            .next()
            .map_or_else(String::new, |(name, _)| name),
        _ => String::new(),
    }
}

fn input(name: &str, value: Value) -> view::Input {
    view::Input {
        name: name.into(),
        value,
        stage: Stage::default(),
    }
}

/// A reason in words and named values.
pub(crate) fn explain(reason: &Reason) -> view::Reason {
    let resource = reason.resource;
    view::Reason {
        text: reason.to_string(),
        inputs: reason
            .inputs
            .iter()
            .flat_map(|from| {
                let staged = |input| view::Input {
                    stage: stage(from),
                    ..input
                };
                inputs(resource, from).into_iter().map(staged)
            })
            .collect(),
        proposed: reason
            .denial
            .is_none()
            .then(|| Quantity::new(resource, reason.proposed())),
        bounds: reason
            .clamps
            .iter()
            .map(|clamp| bound(resource, clamp))
            .collect(),
        clamps: reason
            .clamps
            .iter()
            .map(|clamp| word(&clamp.guard))
            .collect(),
        otherwise: word(&reason.otherwise),
    }
}

/// One of the core's inputs as named values with units.
#[expect(
    clippy::cast_precision_loss,
    reason = "percentages and counts of periods, far below 2^52"
)]
fn inputs(resource: Resource, from: &Input) -> Vec<view::Input> {
    let amount = |name, amount| {
        vec![input(
            name,
            Value::Quantity(Quantity::new(resource, amount)),
        )]
    };
    let number = |value: u64| Value::Number(value as f64);
    match *from {
        Input::Event(cause) => vec![input("event", Value::Text(word(&cause)))],
        Input::Use(used) => amount("use", used),
        Input::Percentile {
            percent,
            window,
            amount: value,
        } => vec![
            input(
                &format!("p{percent}"),
                Value::Quantity(Quantity::new(resource, value)),
            ),
            input("window", Value::DurationNs(window.0)),
        ],
        Input::Margin(percent) => vec![input("margin-percent", number(percent.into()))],
        Input::Utilisation {
            percent,
            threshold,
            lasted,
        } => vec![
            input("utilisation-percent", number(percent.into())),
            input("threshold-percent", number(threshold.into())),
            input("lasted", Value::DurationNs(lasted.0)),
        ],
        Input::Throttled { periods, of } => {
            vec![
                input("throttled-periods", number(periods)),
                input("periods", number(of)),
            ]
        }
        Input::Cut { from, to, ago } => vec![
            input("cut-from", Value::Quantity(Quantity::new(resource, from))),
            input("cut-to", Value::Quantity(Quantity::new(resource, to))),
            input("cut-ago", Value::DurationNs(ago.0)),
        ],
        Input::WorkingSet {
            percent,
            window,
            amount: value,
        } => vec![
            input(
                &format!("working-set-p{percent}"),
                Value::Quantity(Quantity::new(resource, value)),
            ),
            input("window", Value::DurationNs(window.0)),
        ],
        Input::Room(room) => amount("room", room),
        Input::Short { refaults, stalled } => vec![
            input("refaults", number(refaults)),
            input("stalled", Value::DurationNs(stalled.0)),
        ],
        Input::Lent(lent) => amount("lent", lent),
        Input::Granted(granted) => amount("granted", granted),
        Input::PoolLeft(left) => amount("pool-left", left),
        Input::NodeLeft(left) => amount("node-left", left),
        Input::Held(held) => amount("held", held),
        Input::Foreseen {
            expected,
            upper,
            within,
            pattern,
        } => vec![
            input(
                "foreseen",
                Value::Quantity(Quantity::new(resource, expected)),
            ),
            input(
                "foreseen-at-most",
                Value::Quantity(Quantity::new(resource, upper)),
            ),
            input("foreseen-within", Value::DurationNs(within.0)),
            input("foreseen-from", Value::Text(word(&pattern))),
        ],
        Input::Attained {
            late,
            of,
            objective,
        } => attained(late, of, objective),
        Input::Own(own) => amount("own", own),
        Input::Rival {
            ref name, theirs, ..
        } => vec![
            input("rival", Value::Text(name.clone())),
            input("rival-priority", Value::Text(word(&theirs.priority))),
            input("rival-weight", number(theirs.weight.into())),
        ],
    }
}

/// How a latency objective was met.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests, far below 2^52"
)]
fn attained(late: u64, of: u64, objective: Objective) -> Vec<view::Input> {
    let number = |value: u64| Value::Number(value as f64);
    let (what, within) = match objective {
        Objective::Requests(within) => ("requests", within),
        Objective::Waits(within) => ("waits", within),
    };
    vec![
        input("objective", Value::DurationNs(within.0)),
        input(&format!("{what}-late"), number(late)),
        input(what, number(of)),
    ]
}

/// Whether a denial means that an owner's value was found.
pub(super) fn is_foreign(spend: &Spend) -> bool {
    spend.denial == Some(Denial::Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json() {
        assert_eq!(word(&Denial::PoolEmpty), "pool-empty");
        assert_eq!(word(&trimtab_core::signal::Cause::QuotaNear), "quota-near");
    }

    #[test]
    fn amounts_are_shown_in_human_units() {
        assert_eq!(shown(Resource::Cpu, Amount(250_000)), "0.250 CPU");
        assert_eq!(shown(Resource::Memory, Amount(64 << 20)), "64 MiB");
        assert_eq!(shown(Resource::Memory, Amount::UNLIMITED), "no limit");
    }
}
