//! A series under a policy as pictures: limit and held over use, work that waits, orders with their reasons.

use std::fmt::Write as _;

use trimtab_core::signal::{Nanos, Resource};

use super::{
    super::run::{Drawing, Mark, Point},
    escape::escaped,
};
use crate::api::view::Quantity;

const WIDTH: u64 = 1000;
const HEIGHT: u64 = 140;
/// Of the picture of what waits.
const LOW: u64 = 50;

/// All pictures of one drawing.
pub(super) fn figure(drawing: &Drawing) -> String {
    let mut html = format!("<h3>{}</h3>\n", escaped(&drawing.policy));
    for resource in Resource::ALL {
        let points = &drawing.curves[resource.index()];
        if !points.is_empty() {
            html += &curves(drawing, resource, points);
        }
    }
    if drawing.waiting.iter().any(|waiting| *waiting > 0) {
        html += &waiting(drawing);
    }
    if drawing.unmarked > 0 {
        let _ = writeln!(
            html,
            "<p>{} smaller changes are not marked.</p>",
            drawing.unmarked
        );
    }
    html
}

fn curves(drawing: &Drawing, resource: Resource, points: &[Point]) -> String {
    let all = points
        .iter()
        .flat_map(|point| [point.used, point.held, point.limit]);
    let most = all.max().unwrap_or(0).max(1);
    let y = |value: u64| HEIGHT - scaled(value.min(most), most, HEIGHT);
    let steps = |pick: fn(&Point) -> u64| path(points.iter().map(|point| y(pick(point))));
    let used = steps(|point| point.used);
    let mut svg = open(HEIGHT);
    let _ = writeln!(
        svg,
        r#"<path class="used" d="M0 {HEIGHT} L{used} V{HEIGHT} Z"/>"#
    );
    for (class, line) in [
        ("limit", steps(|point| point.limit)),
        ("held", steps(|point| point.held)),
    ] {
        let _ = writeln!(svg, r#"<path class="{class}" d="M{line}"/>"#);
    }
    for mark in drawing
        .marks
        .iter()
        .filter(|mark| mark.resource == resource)
    {
        let x = scaled(mark.at.0.min(drawing.until.0), drawing.until.0, WIDTH);
        let _ = writeln!(
            svg,
            r#"<circle class="mark" cx="{x}" cy="{}" r="3"><title>{}</title></circle>"#,
            y(mark.to.0),
            escaped(&said(mark)),
        );
    }
    let name = match resource {
        Resource::Cpu => "CPU",
        Resource::Memory => "memory",
    };
    let top = shown(Quantity::new(resource, trimtab_core::signal::Amount(most)));
    let label = format!(
        "{name}, up to {top}, over {}: blue is used, orange is held, grey is the limit",
        hours(drawing.until)
    );
    close(svg, &label, HEIGHT)
}

fn waiting(drawing: &Drawing) -> String {
    let most = drawing.waiting.iter().copied().max().unwrap_or(0).max(1);
    let y = |value: &u64| LOW - scaled(*value, most, LOW);
    let line = path(drawing.waiting.iter().map(y));
    let mut svg = open(LOW);
    let _ = writeln!(svg, r#"<path class="wait" d="M0 {LOW} L{line} V{LOW} Z"/>"#);
    let seconds = most / Nanos::SECOND.0;
    close(
        svg,
        &format!("work that waits, up to {seconds} s of CPU time"),
        LOW,
    )
}

/// A stair from left to right through these heights, without the first letter of the path.
fn path(heights: impl ExactSizeIterator<Item = u64>) -> String {
    let count = heights.len() as u64;
    let mut path = String::new();
    let mut last = None;
    for (index, height) in heights.enumerate() {
        let x = scaled(index as u64, count, WIDTH);
        match last {
            None => {
                let _ = write!(path, "{x} {height}");
            }
            Some(last) if last != height => {
                let _ = write!(path, " H{x} V{height}");
            }
            Some(_) => {}
        }
        last = Some(height);
    }
    path + &format!(" H{WIDTH}")
}

/// `value` of `whole`, of a length.
fn scaled(value: u64, whole: u64, length: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(length) / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(length)
}

fn open(height: u64) -> String {
    // Room above for the label and at the edges for marks.
    format!(
        "<svg viewBox=\"-4 -18 {} {}\" role=\"img\">\n",
        WIDTH + 8,
        height + 22
    )
}

fn close(svg: String, label: &str, height: u64) -> String {
    let label = escaped(label);
    svg + &format!(
        "<rect class=\"frame\" width=\"{WIDTH}\" height=\"{height}\"/>\n<text x=\"0\" y=\"-6\">{label}</text>\n</svg>\n"
    )
}

/// When, what, and why.
fn said(mark: &Mark) -> String {
    let [from, to] = [mark.from, mark.to].map(|amount| shown(Quantity::new(mark.resource, amount)));
    format!("{}: {from} to {to}\n{}", hours(mark.at), mark.why)
}

/// Hours, minutes and seconds.
fn hours(time: Nanos) -> String {
    let seconds = time.0 / Nanos::SECOND.0;
    format!(
        "{}:{:02}:{:02} h",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// An amount to two digits after the point.
pub(super) fn shown(quantity: Quantity) -> String {
    let hundredths = |value: u64, unit: u64| {
        let hundredths = u128::from(value) * 100 / u128::from(unit);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    match quantity {
        Quantity::MicroCpus(micro) => format!("{} CPU", hundredths(micro, 1_000_000)),
        Quantity::Bytes(bytes) => format!("{} MiB", hundredths(bytes, 1 << 20)),
        Quantity::Unlimited => "no limit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stair_turns_only_where_it_must() {
        assert_eq!(path([5, 5, 9, 5].into_iter()), "0 5 H500 V9 H750 V5 H1000");
        assert_eq!(path([7].into_iter()), "0 7 H1000");
    }
}
