//! The last line: a question, a filter, what came of a request, or the keys.

use ratatui::text::{Line, Span};

use super::{
    super::{
        action::Focus,
        state::{State, View},
    },
    look::Look,
    number::fit,
};

/// The keys of the table, the most wanted first.
const LIST: [(&str, &str); 9] = [
    ("?", "help"),
    ("Enter", "details"),
    ("/", "filter"),
    ("s", "sort"),
    ("v", "tree"),
    ("p", "pin"),
    ("P", "pause"),
    ("q", "quit"),
    ("j k", "move"),
];
const DETAILS: [(&str, &str); 6] = [
    ("Esc", "back"),
    ("j k", "next, previous"),
    ("p", "pin"),
    ("P", "pause"),
    ("?", "help"),
    ("q", "quit"),
];
const HELP: [(&str, &str); 2] = [("Esc", "back"), ("q", "quit")];

/// The line.
pub(super) fn footer(state: &State, width: u16, look: Look) -> Line<'static> {
    let width = usize::from(width);
    if let Some(request) = &state.question {
        let keys = "  y yes, other keys no";
        let text = fit(
            &request.question(),
            width.saturating_sub(keys.len()),
            look.ellipsis(),
        );
        let text = Span::styled(text, look.fair().patch(look.marked()));
        return Line::from(vec![text, Span::styled(keys, look.head())]);
    }
    if state.focus() == Focus::Filter {
        let typed = Span::styled(format!("/{}", state.order.filter), look.head());
        let cursor = Span::styled(" ", look.marked());
        let keys = Span::styled("  Enter keeps it, Esc clears it", look.faint());
        return Line::from(vec![typed, cursor, keys]);
    }
    match &state.said {
        Some(Ok(done)) => return Line::styled(done.clone(), look.good()),
        Some(Err(why)) => return Line::styled(format!("not done: {why}"), look.bad()),
        None => {}
    }
    let keys: &[_] = match state.view {
        View::List => &LIST,
        View::Details(_) => &DETAILS,
        View::Help => &HELP,
    };
    let mut spans = Vec::new();
    if !state.order.filter.is_empty() && matches!(state.view, View::List) {
        let text = format!("/{}", state.order.filter);
        spans.push(Span::styled(text, look.fair().patch(look.marked())));
        spans.push(Span::raw("  "));
    }
    for (key, what) in keys {
        let taken: usize = spans.iter().map(Span::width).sum();
        if taken + key.len() + what.len() + 1 > width {
            break;
        }
        spans.push(Span::styled(*key, look.head()));
        spans.push(Span::styled(format!(" {what}  "), look.faint()));
    }
    Line::from(spans)
}
