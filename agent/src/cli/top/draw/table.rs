//! The table of workloads: only the lines that are seen are made.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    super::{order::Sort, state::State},
    columns::{self, Column},
    look::Look,
    number::fit,
};

/// The mark before the name, and the gap between columns.
const MARK: u16 = 3;
const GAP: u16 = 1;

/// Heading and lines.
pub(super) fn table(state: &State, selects: bool, look: Look, area: Rect, buffer: &mut Buffer) {
    let columns: Vec<_> = columns::columns(area.width).collect();
    let taken: u16 = columns.iter().map(|column| column.width + GAP).sum();
    let name = area.width.saturating_sub(taken + MARK);
    buffer.set_line(
        area.x,
        area.y,
        &heading(state, &columns, name, look),
        area.width,
    );
    if state.lines.is_empty() {
        let text = match (&state.status, state.rows.is_empty()) {
            (None, _) => "waiting for the agent",
            (_, true) => "no policy selects any cgroup that exists",
            _ => "no workload fits the filter",
        };
        if area.height > 2 {
            buffer.set_string(area.x + MARK, area.y + 2, text, look.faint());
        }
        return;
    }
    let cursor = state.cursor();
    let seen = usize::from(area.height.saturating_sub(1));
    let lines = state.lines.iter().enumerate().skip(state.offset).take(seen);
    for ((place, line), y) in lines.zip(area.y + 1..) {
        let Some(row) = state.rows.get(line.row) else {
            continue;
        };
        let indent = "  ".repeat(line.depth.min(usize::from(name) / 4));
        let text = format!("{indent}{}", row.workload.name);
        let mut spans = Vec::from(columns::mark(row, look));
        spans.push(Span::raw(" "));
        spans.push(padded(&text, name, true, look));
        for column in &columns {
            let cell = (column.cell)(row, look);
            spans.push(Span::raw(" "));
            spans.push(padded(&cell.content, column.width, column.left, look).style(cell.style));
        }
        buffer.set_line(area.x, y, &Line::from(spans), area.width);
        if selects && place == cursor {
            buffer.set_style(
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                look.marked(),
            );
        }
    }
}

fn heading(state: &State, columns: &[&Column], name: u16, look: Look) -> Line<'static> {
    let order = &state.order;
    let (shown, all) = (state.lines.len(), state.rows.len());
    let many = if shown == all {
        format!("{all}")
    } else {
        format!("{shown} of {all}")
    };
    let turned = if order.reversed { ", least" } else { "" };
    let by = format!("by {}{turned}", order.sort.word());
    let mut text = format!("WORKLOAD {many} {by}");
    if text.len() > usize::from(name) {
        text = format!("{many} {by}");
    }
    let marked = |sort: Option<Sort>| {
        if sort == Some(order.sort) {
            look.head().patch(look.marked())
        } else {
            look.head()
        }
    };
    let mut spans = vec![
        Span::raw("   "),
        padded(&text, name, true, look).style(marked(Some(Sort::Name))),
    ];
    for column in columns {
        spans.push(Span::raw(" "));
        let head = padded(column.head, column.width, column.left, look);
        spans.push(head.style(marked(column.sort)));
    }
    Line::from(spans)
}

/// A text in a place of this width.
fn padded(text: &str, width: u16, left: bool, look: Look) -> Span<'static> {
    let width = usize::from(width);
    let text = fit(text, width, look.ellipsis());
    let text = if left {
        format!("{text:<width$}")
    } else {
        format!("{text:>width$}")
    };
    Span::styled(text, Style::new())
}
