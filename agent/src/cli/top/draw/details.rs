//! One workload: its charts, behind whom it waited, how long its waits were, and what was decided about it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span, Text},
    widgets::{Paragraph, Widget, Wrap},
};
use trimtab_core::signal::Mode;

use super::{
    super::{
        history::Series,
        row::{Row, value},
        scrutiny::Scrutiny,
    },
    change, chart,
    distributions::distributions,
    look::Look,
    number::{UNKNOWN, amount, count, span},
    screen::put,
};
use crate::{
    api::view::{Detail, ResourceState, Workload},
    cli::units::duration,
};

/// How wide labels are.
const LABEL: usize = 11;

/// Everything about it.
pub(super) fn details(
    row: Option<&Row>,
    scrutiny: &Scrutiny,
    look: Look,
    area: Rect,
    buffer: &mut Buffer,
) {
    let detail = match &scrutiny.detail {
        Some(Ok(detail)) => Some(detail),
        Some(Err(why)) => {
            let text = format!("{}: {why}", scrutiny.path);
            put(&[Line::styled(text, look.bad())], area, buffer);
            return;
        }
        None => None,
    };
    let Some(workload) = detail
        .map(|detail| &detail.workload)
        .or(row.map(|row| &row.workload))
    else {
        put(&[Line::raw(scrutiny.path.clone())], area, buffer);
        return;
    };
    let mut lines = about(workload, look);
    lines.extend(charts(workload, row, scrutiny, area.width, look));
    lines.extend(notes(workload, look));
    put(&lines, area, buffer);
    let taken = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .min(area.height);
    let rest = Rect {
        y: area.y + taken,
        height: area.height - taken,
        ..area
    };
    let height = (rest.height / 2).clamp(rest.height.min(5), 9);
    distributions(detail, scrutiny, look, Rect { height, ..rest }, buffer);
    let rest = Rect {
        y: rest.y + height,
        height: rest.height - height,
        ..rest
    };
    decisions(detail, look, rest, buffer);
}

/// Who it is.
fn about(workload: &Workload, look: Look) -> Vec<Line<'static>> {
    let mode = match workload.mode {
        Mode::Enforce => Span::styled("enforced", look.good()),
        Mode::Recommend => Span::raw("recommended only: nothing is written"),
        Mode::Observe => Span::raw("observed only: nothing is written"),
    };
    let mut second = vec![Span::raw(format!("policy {}, ", workload.policy)), mode];
    if workload.pinned {
        second.push(Span::styled(", pinned", look.fair()));
    }
    if workload.warming_up {
        second.push(Span::raw(", warming up"));
    }
    second.push(Span::raw(format!(
        "; owner {}; for {}",
        workload.owner,
        duration(workload.age_ns)
    )));
    let path = Span::styled(format!("  {}", workload.path), look.faint());
    vec![
        Line::from(vec![Span::styled(workload.name.clone(), look.head()), path]),
        Line::from(second),
    ]
}

/// A line with a chart for each signal.
fn charts(
    workload: &Workload,
    row: Option<&Row>,
    scrutiny: &Scrutiny,
    width: u16,
    look: Look,
) -> Vec<Line<'static>> {
    let places = usize::from(width / 4).clamp(8, 60);
    let line = |label: &str, chart: Span<'static>, text: String| {
        let label = Span::styled(format!("{label:<LABEL$}"), look.head());
        Line::from(vec![label, chart, Span::raw(format!(" {text}"))])
    };
    let spark = |series: Option<&Series>| {
        let values: Vec<_> = series.map_or_else(Vec::new, |series| series.last(places).collect());
        Span::styled(chart::spark(values.into_iter(), places, look), look.chart())
    };
    let rate = |ns: Option<u64>| ns.map_or_else(|| UNKNOWN.into(), |ns| format!("{}/s", span(ns)));
    let signals = &workload.signals;
    let mut lines = Vec::new();
    if let Some(cpu) = &workload.cpu {
        lines.push(line("cpu", spark(row.map(|row| &row.used)), limits(cpu)));
    }
    if let Some(weight) = workload.cpu_weight {
        let text = format!("no quota, shared by weight {weight}");
        lines.push(line("cpu", spark(row.map(|row| &row.used)), text));
    }
    if let Some(memory) = &workload.memory {
        let bar = match (value(memory.used), value(memory.limit)) {
            (Some(used), Some(limit)) => {
                let text = chart::bar(used, limit, places, look).concat();
                Span::styled(text, look.load(chart::per_mille(used, limit)))
            }
            _ => Span::raw(" ".repeat(places)),
        };
        lines.push(line("memory", bar, limits(memory)));
    }
    let waited = rate(row.and_then(|row| row.waited_ns_per_s));
    lines.push(line("waiting", spark(row.map(|row| &row.waited)), waited));
    lines.push(line(
        "wait p99",
        spark(Some(&scrutiny.waits)),
        lately(&scrutiny.waits, signals.waiting_p99_ns),
    ));
    let throttled = format!(
        "{}, {} periods since adoption",
        rate(row.and_then(|row| row.throttled_ns_per_s)),
        signals
            .throttled_periods
            .map_or_else(|| UNKNOWN.into(), count)
    );
    lines.push(line(
        "throttled",
        spark(row.map(|row| &row.throttled)),
        throttled,
    ));
    if let Some(tcp) = signals.tcp.as_ref().filter(|tcp| tcp.requests > 0) {
        let text = format!(
            "{}, {}/s",
            lately(&scrutiny.answers, tcp.answered_p99_ns),
            count(tcp.requests_per_s)
        );
        lines.push(line("answer p99", spark(Some(&scrutiny.answers)), text));
    }
    for gpu in &workload.gpus {
        let used = gpu.used_percent;
        let bar = used.map_or_else(
            || format!("{UNKNOWN:<places$}"),
            |used| chart::bar(u64::from(used), 100, places, look).concat(),
        );
        let text = format!(
            "{}, {} of its memory",
            used.map_or_else(|| UNKNOWN.into(), |used| format!("{used}%")),
            gpu.memory_bytes
                .map_or_else(|| UNKNOWN.into(), super::number::size)
        );
        let label = format!("GPU {}", gpu.index);
        lines.push(line(&label, Span::styled(bar, look.chart()), text));
    }
    lines
}

/// A limit and what it lies between.
fn limits(state: &ResourceState) -> String {
    format!(
        "{} of {}; own {}, lent {}, most {}, target {}",
        amount(state.used),
        amount(state.limit),
        amount(state.original),
        amount(state.lent),
        amount(state.ceiling),
        amount(state.target)
    )
}

/// A percentile between the last two looks, and over all.
fn lately(series: &Series, ever: Option<u64>) -> String {
    let last = series.last(1).next().flatten();
    format!(
        "{} now, {} since adoption",
        last.map_or_else(|| UNKNOWN.into(), |us| span(us * 1_000)),
        ever.map_or_else(|| UNKNOWN.into(), span)
    )
}

/// What stands in its way, and what is out of the ordinary.
fn notes(workload: &Workload, look: Look) -> Vec<Line<'static>> {
    let mut notes = Vec::new();
    for (name, state) in [("cpu", &workload.cpu), ("memory", &workload.memory)] {
        let Some(state) = state else { continue };
        if state.foreign {
            let text = format!("{name}: the limit was written by somebody else");
            notes.push(Line::styled(text, look.bad()));
        }
        if let Some(held) = &state.held_back {
            let (to, since) = (amount(held.to), duration(held.for_ns));
            let text = format!("{name}: kept from {to} for {since}: {}", held.why);
            notes.push(Line::styled(text, look.fair()));
        }
        if let Some(above) = &state.limited_by {
            let text = format!("{name}: limited by {above}, too");
            notes.push(Line::styled(text, look.fair()));
        }
    }
    if let Some(kills) = workload.signals.oom_kills.filter(|kills| *kills > 0) {
        notes.push(Line::styled(
            format!("killed for memory {kills} times"),
            look.bad(),
        ));
    }
    let found = workload.anomalies.iter();
    notes.extend(found.map(|anomaly| Line::styled(anomaly.text.clone(), look.bad())));
    notes
}

/// The last decisions, the newest first, with why and what became of it.
fn decisions(detail: Option<&Detail>, look: Look, area: Rect, buffer: &mut Buffer) {
    let mut lines = vec![Line::styled("DECISIONS, the last first (UTC)", look.head())];
    let Some(detail) = detail else { return };
    for entry in detail.recent.iter().rev() {
        lines.push(change::line(entry, false, look));
        if entry.outcome.is_some() && !entry.reason.text.is_empty() {
            let text = format!("         because: {}", entry.reason.text);
            lines.push(Line::styled(text, look.faint()));
        }
    }
    if lines.len() == 1 {
        lines.push(Line::styled("none yet", look.faint()));
    }
    Paragraph::new(Text::from(lines))
        .wrap(Wrap { trim: false })
        .render(area, buffer);
}
