//! The thread that answers events.

use super::row;
use crate::report::{
    Kind::{Counter, Histogram},
    Metric, Points, Read, Sample, Unit,
};

pub(super) const METRICS: &[Metric] = &[
    row(
        Counter,
        "trimtab.fast.events",
        Unit::Count("{event}"),
        Read::Node(|sample, points| points.number(&[], sample.status.fast_loop.events)),
        "the fast loop",
        "Events that came from the kernel.",
    ),
    row(
        Counter,
        "trimtab.fast.lifts",
        Unit::Count("{change}"),
        Read::Node(|sample, points| points.number(&[], sample.status.fast_loop.lifts)),
        "the fast loop",
        "Events answered with a higher limit.",
    ),
    row(
        Counter,
        "trimtab.fast.denials",
        Unit::Count("{event}"),
        Read::Node(|sample, points| points.number(&[], sample.status.fast_loop.denied)),
        "the fast loop",
        "Events answered with a refusal.",
    ),
    row(
        Histogram,
        "trimtab.fast.reaction",
        Unit::Seconds,
        Read::Node(|sample, points| points.histogram(Some(&sample.reaction))),
        "the fast loop",
        "From an event in the kernel to the limit written.",
    ),
    row(
        Counter,
        "trimtab.fast.lost",
        Unit::Count("{event}"),
        Read::Node(lost),
        "the probes, the fast loop",
        "What was lost on its way, by cause: ring-full and slow-loop-behind are events, the others samples of histograms.",
    )
    .by(&["trimtab.cause"]),
];

fn lost(sample: &Sample, points: &mut Points) {
    let lost = &sample.losses;
    let causes = [
        ("ring-full", lost.ring_full),
        ("slow-loop-behind", sample.unheard),
        ("unknown-group", lost.unknown_group),
        ("unknown-server", lost.unknown_server),
        ("collision", lost.collision),
        ("backwards", lost.backwards),
        ("too-deep", lost.too_deep),
        ("stale", lost.stale),
        ("no-storage", lost.no_storage),
        ("no-room", lost.no_room),
    ];
    for (cause, count) in causes {
        points.number(&[cause], count);
    }
}
