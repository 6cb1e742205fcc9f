//! Numbers and journal entries as people read them.

use trimtab::api::view::{Entry, EntryKind, Finding, FindingState, Quantity};
use trimtab_core::{
    decide::Quantity as Shown,
    signal::{Amount, Resource},
};

/// An amount with its unit.
pub(super) fn quantity(quantity: Quantity) -> String {
    match quantity {
        Quantity::MicroCpus(amount) => Shown(Resource::Cpu, Amount(amount)).to_string(),
        Quantity::Bytes(amount) => {
            let mebibytes = amount.div_ceil(1 << 20) << 20;
            Shown(Resource::Memory, Amount(mebibytes)).to_string()
        }
        Quantity::Unlimited => "no limit".into(),
    }
}

/// A duration in its largest fitting unit, to two or three digits.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

/// The same for what is known in milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations of seconds, never negative"
)]
pub(super) fn millis(ms: f64) -> String {
    if ms == 0.0 {
        return "0 ms".into();
    }
    micros((ms * 1e3) as u64)
}

/// One journal entry in one line.
pub(super) fn entry(entry: &Entry) -> String {
    let change = match (entry.from, entry.to, &entry.denial) {
        (Some(from), _, Some(_)) => format!(" stays at {}", quantity(from)),
        (Some(from), Some(to), None) => {
            let would = if entry.written || entry.kind == EntryKind::Notice {
                ""
            } else {
                " would go"
            };
            format!("{would} {} -> {}", quantity(from), quantity(to))
        }
        _ => String::new(),
    };
    let latency = match entry.latency_ns {
        Some(ns) if entry.written => format!(" in {}", micros(ns / 1_000)),
        _ => String::new(),
    };
    format!("{}{change}{latency}: {}", name(&entry.path), why(entry))
}

/// A workload's own part of its path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// One finding of `trimtab doctor` in one line.
pub(super) fn finding(finding: &Finding) -> String {
    let state = match finding.state {
        FindingState::On => "on",
        FindingState::Degraded => "degraded",
        FindingState::Off => "off",
        FindingState::None => "none",
    };
    format!("  {state:<9}{:<18} {}", finding.name, finding.why)
}

/// The part of an entry's sentence that says why; the amounts before it and the consequences after it are left out.
fn why(entry: &Entry) -> String {
    let text = &entry.reason.text;
    if entry.kind == EntryKind::Notice {
        return text.clone();
    }
    let first = |text: &str| text.split([';', ',']).next().unwrap_or(text).to_owned();
    let reason = first(text.split_once(": ").map_or(text, |(_, reason)| reason));
    match text.split_once("refused: ") {
        Some((_, refusal)) => format!("{reason}, but {}", first(refusal)),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab::api::view::Reason;

    #[test]
    fn durations_keep_two_or_three_digits() {
        for (us, text) in [
            (0, "0 us"),
            (62, "62 us"),
            (4_180, "4.1 ms"),
            (41_800, "41 ms"),
            (1_021_000, "1.02 s"),
        ] {
            assert_eq!(micros(us), text);
        }
        assert_eq!(
            (millis(0.0), millis(0.62)),
            ("0 ms".into(), "620 us".into())
        );
    }

    #[test]
    fn an_entry_says_who_what_how_fast_and_why() {
        let mut lift = Entry {
            path: "/demo/bursty".into(),
            from: Some(Quantity::MicroCpus(100_000)),
            to: Some(Quantity::MicroCpus(350_000)),
            written: true,
            latency_ns: Some(62_400),
            reason: Reason {
                text: "cpu 0.10 CPU -> 0.35 CPU: first lift of a burst: the period's quota was nearly spent, \
                       use 0.09 CPU; without this it would be throttled at 0.10 CPU until the period ends"
                    .into(),
                ..Reason::default()
            },
            ..Entry::default()
        };
        lift.kind = EntryKind::Spend;
        assert_eq!(
            entry(&lift),
            "bursty 0.10 CPU -> 0.35 CPU in 62 us: first lift of a burst: the period's quota was nearly spent"
        );
        lift.denial = Some("not-enforced".into());
        lift.written = false;
        lift.reason.text =
            "cpu stays at 0.10 CPU: throttled while running; refused: limits are not enforced \
                            here; so it may be throttled at 0.10 CPU until the period ends"
                .into();
        assert_eq!(
            entry(&lift),
            "bursty stays at 0.10 CPU: throttled while running, but limits are not enforced here"
        );
    }
}
