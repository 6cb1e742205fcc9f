//! How the screen is divided.

use ratatui::{Frame, buffer::Buffer, layout::Rect, text::Line};

use super::{
    super::state::{State, View},
    change, details, footer, help,
    look::Look,
    node, table,
};

/// What is too small to show anything on.
const LEAST: (u16, u16) = (40, 10);
/// How many of the last changes are shown at least, and at most.
const CHANGES: (u16, u16) = (4, 14);

/// Draws everything; scrolls so that the selected line is seen.
pub(in super::super) fn screen(frame: &mut Frame<'_>, state: &mut State, look: Look) {
    let area = frame.area();
    fill(state, true, look, area, frame.buffer_mut());
}

/// The screen as a buffer that is high enough for every workload; nothing is selected.
pub(in super::super) fn all(state: &mut State, width: u16, look: Look) -> Buffer {
    let head = node::lines(state, width, 0, look).len();
    let changes = state
        .changes
        .newest()
        .count()
        .clamp(1, usize::from(CHANGES.1));
    let height = head + state.lines.len().max(2) + changes + 3;
    let height = u16::try_from(height).unwrap_or(u16::MAX);
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let changes = u16::try_from(changes).unwrap_or(CHANGES.1) + 1;
    let main = top(state, 0, look, area, &mut buffer);
    list(state, (changes, false), look, main, &mut buffer);
    buffer
}

fn fill(state: &mut State, selects: bool, look: Look, area: Rect, buffer: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("{}x{} is too small", area.width, area.height);
        buffer.set_stringn(area.x, area.y, text, usize::from(area.width), look.bad());
        return;
    }
    let bottom = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    let above = Rect {
        height: area.height - 1,
        ..area
    };
    let main = top(state, area.height, look, above, buffer);
    match &state.view {
        View::List => {
            let changes = (main.height / 4).clamp(CHANGES.0, CHANGES.1) + 1;
            list(state, (changes, selects), look, main, buffer);
        }
        View::Details(scrutiny) => {
            let row = state.current();
            details::details(row, scrutiny, look, main, buffer);
        }
        View::Help => put(&help::lines(look), main, buffer),
    }
    buffer.set_line(
        bottom.x,
        bottom.y,
        &footer::footer(state, area.width, look),
        bottom.width,
    );
}

/// The lines about the node; what is left below them is returned.
fn top(state: &State, height: u16, look: Look, area: Rect, buffer: &mut Buffer) -> Rect {
    let lines = node::lines(state, area.width, height, look);
    put(&lines, area, buffer);
    let taken = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .min(area.height);
    Rect {
        y: area.y + taken,
        height: area.height - taken,
        ..area
    }
}

/// The table, and below it what was done lately.
fn list(
    state: &mut State,
    (changes, selects): (u16, bool),
    look: Look,
    area: Rect,
    buffer: &mut Buffer,
) {
    let changes = changes.min(area.height.saturating_sub(4));
    let upper = Rect {
        height: area.height - changes,
        ..area
    };
    state.show(usize::from(upper.height.saturating_sub(1)));
    table::table(state, selects, look, upper, buffer);
    let lower = Rect {
        y: upper.bottom(),
        height: changes,
        ..area
    };
    let mut lines = vec![Line::styled("CHANGES, the last first (UTC)", look.head())];
    let newest = state.changes.newest().take(usize::from(changes));
    lines.extend(newest.map(|entry| change::line(entry, true, look)));
    if lines.len() == 1 {
        lines.push(Line::styled("none yet", look.faint()));
    }
    put(&lines, lower, buffer);
}

/// Lines one below the other, as far as there is room.
pub(super) fn put(lines: &[Line<'_>], area: Rect, buffer: &mut Buffer) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        buffer.set_line(area.x, y, line, area.width);
    }
}
