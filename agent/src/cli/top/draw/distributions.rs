//! How a workload's waits are distributed: behind whom, and how long.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    super::scrutiny::Scrutiny,
    chart,
    look::Look,
    number::{count, percent},
    screen::put,
};
use crate::{
    api::view::{Bin, Detail, Why},
    cli::{units::duration, why},
};

/// Durations that a histogram is divided by, in ns, with what is shorter than each.
const STEPS: [(u64, &str); 7] = [
    (10_000, "< 10us"),
    (100_000, "< 100us"),
    (1_000_000, "< 1ms"),
    (10_000_000, "< 10ms"),
    (100_000_000, "< 100ms"),
    (1_000_000_000, "< 1s"),
    (u64::MAX, "more"),
];

/// Behind whom it waited, and how long its waits and answers took, side by side.
pub(super) fn distributions(
    detail: Option<&Detail>,
    scrutiny: &Scrutiny,
    look: Look,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut parts = vec![causes(scrutiny.why.as_ref(), look)];
    let waits = detail.and_then(|detail| detail.waits.as_deref());
    parts.push(histogram("WAITS FOR A CPU since adoption", waits, look));
    let answers = detail.and_then(|detail| detail.answers.as_deref());
    let answers = answers.filter(|bins| !bins.is_empty() && area.width >= 120);
    parts.extend(answers.map(|bins| histogram("ANSWERS since adoption", Some(bins), look)));
    let number = u16::try_from(parts.len()).unwrap_or(1);
    let width = area.width / number;
    for (lines, x) in parts
        .iter()
        .zip((area.x..).step_by(usize::from(width.max(1))))
    {
        let part = Rect {
            x,
            width: width.saturating_sub(1),
            ..area
        };
        put(lines, part, buffer);
    }
}

fn causes(why: Option<&Result<Why, String>>, look: Look) -> Vec<Line<'static>> {
    let why = match why {
        None => return vec![Line::styled("WAITED FOR", look.head())],
        Some(Err(text)) => {
            let text = Line::styled(text.clone(), look.faint());
            return vec![Line::styled("WAITED FOR", look.head()), text];
        }
        Some(Ok(why)) => why,
    };
    let window = duration(why.window_ns);
    let mut lines = vec![Line::styled(format!("WAITED FOR in {window}"), look.head())];
    let runnable = why.ran_ns + why.waited_ns;
    let line = |ns, what: String| {
        let bar = chart::bar(ns, runnable, 8, look).concat();
        Line::from(vec![
            Span::raw(format!(
                "{:>5} ",
                percent(chart::basis_points(ns, runnable))
            )),
            Span::styled(bar, look.chart()),
            Span::raw(format!(" {what}")),
        ])
    };
    lines.extend(
        why.causes
            .iter()
            .map(|cause| line(cause.ns, why::said(cause))),
    );
    lines.push(line(why.ran_ns, "running".into()));
    lines
}

fn histogram(title: &str, bins: Option<&[Bin]>, look: Look) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(title.to_owned(), look.head())];
    let Some(bins) = bins else {
        lines.push(Line::styled("not known", look.faint()));
        return lines;
    };
    let mut from = 0;
    let counts = STEPS.map(|(to, name)| {
        let within = bins.iter().filter(|bin| (from..to).contains(&bin.from_ns));
        let sum: u64 = within.map(|bin| bin.count).sum();
        from = to;
        (name, sum)
    });
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    for (name, number) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let bar = chart::bar(number, most, 8, look).concat();
        lines.push(Line::from(vec![
            Span::raw(format!("{name:>8} ")),
            Span::styled(bar, look.chart()),
            Span::raw(format!(
                " {:>5} {}",
                percent(chart::basis_points(number, all)),
                count(number)
            )),
        ]));
    }
    if all == 0 {
        lines.push(Line::styled("none", look.faint()));
    }
    lines
}
