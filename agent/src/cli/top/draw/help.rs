//! The keys, and what the columns mean.

use ratatui::text::{Line, Span};

use super::look::Look;

const KEYS: [(&str, &str); 19] = [
    ("", "WHAT COMES FIRST"),
    ("w", "who waits longest for a CPU"),
    ("t", "who is throttled longest"),
    ("c m", "who uses most CPU, memory"),
    ("u", "who holds most without using it"),
    ("l", "who lives on loans"),
    ("r", "whose requests are slowest"),
    ("n", "by name"),
    ("s i", "next order; the other way round"),
    ("", "MOVE AND LOOK"),
    ("j k", "down, up; arrows, PgUp, PgDn"),
    ("g G", "first, last"),
    ("Enter", "all about the selected workload"),
    ("/", "filter by name, path, policy"),
    ("v", "children below parents"),
    ("Esc", "back; clears the filter"),
    ("", "CHANGE, after a question"),
    ("p", "pin, unpin: keep its limits"),
    ("P", "pause, resume: write no limit"),
];
const COLUMNS: [(&str, &str); 19] = [
    ("", "FIRST LETTERS"),
    ("E r o", "enforced, recommended, observed"),
    ("!", "killed, anomaly, foreign limit"),
    ("P <", "pinned; kept from what it wants"),
    ("", "COLUMNS"),
    ("WAIT/s", "its tasks wait behind others"),
    ("THR/s", "it is held by a quota"),
    ("", "  both per second, all CPUs"),
    ("LIMIT", "what the kernel holds now"),
    ("LENT", "of it from the node's pool"),
    ("UNUSED", "limit less use, of the node's"),
    ("", "  CPU (c) or memory (m)"),
    ("REQP99", "of requests, since adoption"),
    ("max -", "no limit; not known"),
    ("", "NODE"),
    ("lent", "of the pool, to who needs it"),
    ("free", "of the pool, to be lent"),
    ("stalled", "pressure (PSI) of the last 10 s"),
    ("LIFTS", "limits raised by the fast loop"),
];

/// Its lines: two columns of keys and words.
pub(super) fn lines(look: Look) -> Vec<Line<'static>> {
    let side = |(key, text): (&'static str, &'static str), width: usize| {
        if key.is_empty() && !text.starts_with(' ') {
            return vec![Span::styled(format!("{text:<width$}"), look.head())];
        }
        let text = format!("{text:<0$}", width.saturating_sub(8));
        vec![
            Span::styled(format!("{key:<8}"), look.chart()),
            Span::raw(text),
        ]
    };
    let pairs = KEYS.into_iter().zip(COLUMNS);
    let line = |(key, column)| Line::from([side(key, 41), side(column, 39)].concat());
    pairs.map(line).collect()
}
