//! What stands in the cells of a table.

use trimtab::api::view::Quantity;

use crate::spread::number;

/// A row in Markdown.
pub(crate) fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// The head of a table: the first column holds names, the others numbers.
pub(crate) fn head(columns: &[&str]) -> String {
    let rule = "--:|".repeat(columns.len().saturating_sub(1));
    format!("| {} |\n|---|{rule}", columns.join(" | "))
}

pub(super) fn dash() -> String {
    "-".to_owned()
}

/// A part of a million.
pub(super) fn ppm(part: u64) -> String {
    format!("{:.2} %", number(part) / 1e4)
}

/// A part of a thousand.
pub(super) fn permille(part: u64) -> String {
    format!("{:.1} %", number(part) / 10.0)
}

pub(super) fn cpus(micro: u64) -> String {
    format!("{:.3}", number(micro) / 1e6)
}

pub(super) fn millis(us: u64) -> String {
    format!("{:.0} ms", number(us) / 1e3)
}

/// Micro-CPUs of an amount of CPU; none of what has no limit.
pub(super) const fn micro(quantity: Quantity) -> Option<u64> {
    match quantity {
        Quantity::MicroCpus(micro) => Some(micro),
        Quantity::Bytes(_) | Quantity::Unlimited => None,
    }
}
