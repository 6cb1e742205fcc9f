//! What was done, and why: a line for each entry of the journal.

use ratatui::text::{Line, Span};
use trimtab_core::signal::Resource;

use super::{
    look::Look,
    number::{amount, span},
};
use crate::{
    api::view::{Entry, EntryKind},
    cli::units::wall,
};

/// When, who, what, and the sentence that says why, or what became of it.
pub(super) fn line(entry: &Entry, with_name: bool, look: Look) -> Line<'static> {
    let mut spans = happened(entry, with_name, look);
    spans.push(Span::raw(" "));
    spans.extend(told(entry, look));
    Line::from(spans)
}

/// When, who and what.
pub(super) fn happened(entry: &Entry, with_name: bool, look: Look) -> Vec<Span<'static>> {
    let time = wall(entry.unix_ns);
    let time = time.get(11..19).unwrap_or_default().to_owned();
    let mut spans = vec![Span::styled(time, look.faint())];
    if with_name && !entry.workload.is_empty() {
        spans.push(Span::styled(format!(" {}", entry.workload), look.head()));
    }
    if let Some(resource) = entry.resource {
        spans.push(Span::raw(match resource {
            Resource::Cpu => " cpu",
            Resource::Memory => " mem",
        }));
    }
    match (entry.from, entry.to, &entry.denial) {
        (Some(from), _, Some(denial)) => {
            spans.push(Span::raw(format!(" stays {}: ", amount(from))));
            spans.push(Span::styled(denial.clone(), look.bad()));
        }
        (Some(from), Some(to), None) => {
            let change = format!("{}{}{}", amount(from), look.arrow(), amount(to));
            spans.push(if entry.written {
                Span::styled(format!(" {change}"), look.good())
            } else {
                Span::styled(format!(" would go {change}"), look.fair())
            });
        }
        (_, _, Some(denial)) => spans.push(Span::styled(format!(" {denial}"), look.bad())),
        _ if entry.kind == EntryKind::Notice => spans.push(Span::styled(" notice", look.fair())),
        _ => {}
    }
    if let Some(ns) = entry.latency_ns {
        spans.push(Span::raw(format!(" in {}", span(ns))));
    }
    spans
}

/// Why; once it is known what became of it, that.
pub(super) fn told(entry: &Entry, look: Look) -> Option<Span<'static>> {
    if let Some(outcome) = &entry.outcome {
        let style = match outcome.verdict.as_str() {
            "helped" => look.good(),
            "hurt" => look.bad(),
            "cut-short" | "cannot-tell" => look.faint(),
            _ => look.fair(),
        };
        return Some(Span::styled(outcome.text.clone(), style));
    }
    let text = &entry.reason.text;
    (!text.is_empty()).then(|| Span::styled(text.clone(), look.faint()))
}
