//! The report page: one HTML file that needs nothing else, no script either.

mod escape;
mod plot;
mod table;

use std::fmt::Write as _;

use super::{figures::Figures, run::Drawing};
use escape::escaped;

/// The page.
#[must_use]
pub fn page(figures: &Figures, drawings: &[Drawing]) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    html += "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Replay</title>\n";
    let _ = writeln!(html, "<style>\n{}</style>", include_str!("style.css"));
    html += "<h1>Replay: what each policy held, and how late work was</h1>\n";
    html += INTRODUCTION;
    let _ = writeln!(html, "<p>{}</p>", escaped(&scope(figures)));
    for source in &figures.sources {
        let _ = writeln!(html, "<h2>{}</h2>", escaped(source.source));
        let _ = writeln!(html, "<p>{}</p>", escaped(&table::about(source)));
        html += &table::scores(&source.policies);
        let mut drawn = drawings
            .iter()
            .filter(|drawing| drawing.source == source.source)
            .peekable();
        if let Some(first) = drawn.peek() {
            let _ = writeln!(
                html,
                "<details><summary>The first series, {}, under each policy</summary>",
                escaped(&first.series)
            );
            for drawing in drawn {
                html += &plot::figure(drawing);
            }
            html += "</details>\n";
        }
    }
    if figures.sources.len() > 1 {
        html += "<h2>All sources</h2>\n";
        html += &table::scores(&figures.all);
    }
    html += &table::refused(&figures.refused);
    let _ = writeln!(
        html,
        "<footer>trimtab {}</footer>\n</html>",
        figures.version
    );
    html
}

const INTRODUCTION: &str = "<p>Recorded history ran on a simulated node, once under each policy. \
<b>Held</b> is what a policy keeps for a workload and nobody else can be promised: less is cheaper. \
<b>Missed</b> is the part of minutes in which work was late, lost or stalled: less is better. \
A good policy is low in both. The momentary limit is drawn, but not scored.</p>\n";

/// What of the history was run, and what counts as missed.
fn scope(figures: &Figures) -> String {
    let mut text = format!(
        "Work counts as late after {} ms on average over {} s.",
        figures.objective_ns / 1_000_000,
        figures.window_ns / 1_000_000_000,
    );
    if let Some(together) = figures.together {
        let _ = write!(
            text,
            " Up to {} workloads share a node that has {} % of what they begin with.",
            together.workloads, together.room_percent
        );
    }
    if figures.half != "all" {
        let _ = write!(
            text,
            " Only the {} half of the series was run.",
            figures.half
        );
    }
    if figures.one_in > 1 {
        let _ = write!(
            text,
            " Only one in {} of the series was run.",
            figures.one_in
        );
    }
    if let Some(most) = figures.most_ns {
        let hours = most / 3_600_000_000_000;
        let _ = write!(
            text,
            " Only the first {hours} hours of each series were run."
        );
    }
    text
}
