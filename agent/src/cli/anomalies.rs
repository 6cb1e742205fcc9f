//! What is out of the ordinary, as people read it.

use std::fmt::Write;

use super::{
    output::{FAIR, HEAD, paint},
    table::Table,
    units::duration,
};
use crate::api::view::{Anomaly, Beyond};

/// So many are shown of the whole node.
const SHOWN: usize = 10;

/// A workload's, a line each.
pub(super) fn lines(anomalies: &[Anomaly]) -> Vec<(&'static str, String)> {
    let line = |anomaly: &Anomaly| {
        let text = paint(FAIR, &anomaly.text);
        (
            "anomaly",
            format!("{text} (found {} ago)", duration(anomaly.for_ns)),
        )
    };
    anomalies.iter().map(line).collect()
}

/// What a load balancer may want to know; of instances, the finding says it.
pub(super) fn balance(beyond: &Beyond) -> Option<(&'static str, String)> {
    let weight = beyond.balancing_weight?;
    let text = format!("weight {weight} for a load balancer, beside other instances of its kind");
    Some(("balance", text))
}

/// The node's; `None` where there are none.
pub(super) fn table(anomalies: &[Anomaly]) -> Option<String> {
    if anomalies.is_empty() {
        return None;
    }
    let mut table = Table::new(&["ANOMALIES OF", ">FOUND AGO", ""]);
    for anomaly in anomalies.iter().take(SHOWN) {
        table.row([
            paint(HEAD, &anomaly.workload),
            duration(anomaly.for_ns),
            paint(FAIR, &anomaly.text),
        ]);
    }
    let mut text = table.render();
    let more = anomalies.len().saturating_sub(SHOWN);
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "and {more} more: `trimtab show` has those of a workload"
        );
    }
    Some(text)
}
