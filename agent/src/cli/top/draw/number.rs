//! Numbers that fit into six places, for columns; `units` has those for sentences.

use crate::api::view::Quantity;

/// What is not known.
pub(super) const UNKNOWN: &str = "-";

/// An amount without its unit: `0.25`, `64M`, `max`.
pub(super) fn amount(quantity: Quantity) -> String {
    match quantity {
        Quantity::MicroCpus(micro) => cores(micro),
        Quantity::Bytes(bytes) => size(bytes),
        Quantity::Unlimited => "max".into(),
    }
}

/// CPUs: `0.25`, `12.3`, `128`.
pub(super) fn cores(micro: u64) -> String {
    match micro {
        0..9_995_000 => point(micro, 1_000_000, 2),
        9_995_000..99_950_000 => point(micro, 1_000_000, 1),
        _ => point(micro, 1_000_000, 0),
    }
}

/// Memory: `0`, `812K`, `64M`, `1.5G`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("T", 1 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
    ];
    let fits = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    fits.map_or_else(
        || format!("{bytes}"),
        |(name, unit)| {
            let digits = u32::from(bytes < 100 * unit && !bytes.is_multiple_of(*unit));
            format!("{}{name}", point(bytes, *unit, digits))
        },
    )
}

/// A duration: `0`, `42us`, `1.2ms`, `3.4s`, `12m`, `3h`, `2d`.
pub(super) fn span(ns: u64) -> String {
    const UNITS: [(&str, u64); 6] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
    ];
    let fits = UNITS.iter().find(|(_, unit)| ns >= *unit);
    match fits {
        Some((name, unit)) => short(ns, *unit, name),
        None if ns == 0 => "0".into(),
        None => format!("{ns}ns"),
    }
}

/// A count: `1250`, `12k`, `1.2M`.
pub(super) fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => short(number, 1_000, "k"),
        1_000_000..1_000_000_000 => short(number, 1_000_000, "M"),
        _ => short(number, 1_000_000_000, "G"),
    }
}

/// Hundredths of a percent: `0.4%`, `12%`.
pub(super) fn percent(basis_points: u64) -> String {
    if basis_points < 1_000 {
        format!("{}%", point(basis_points, 100, u32::from(basis_points > 0)))
    } else {
        format!("{}%", point(basis_points, 100, 0))
    }
}

/// With one digit after the point where there is one before it.
fn short(value: u64, unit: u64, name: &str) -> String {
    let digits = u32::from(value < 10 * unit && !value.is_multiple_of(unit));
    format!("{}{name}", point(value, unit, digits))
}

/// `value / unit` to so many digits after the point.
fn point(value: u64, unit: u64, digits: u32) -> String {
    let scale = 10u128.pow(digits);
    let rounded = (u128::from(value) * scale + u128::from(unit) / 2) / u128::from(unit);
    if digits == 0 {
        return rounded.to_string();
    }
    let width = digits as usize;
    format!("{}.{:0width$}", rounded / scale, rounded % scale)
}

/// A text that is cut where there is no room for it.
pub(super) fn fit(text: &str, width: usize, ellipsis: char) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain((width > 0).then_some(ellipsis)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_into_six_places() {
        for (text, right) in [
            (cores(0), "0.00"),
            (cores(123_456), "0.12"),
            (cores(9_999_999), "10.0"),
            (cores(128_000_000), "128"),
            (size(0), "0"),
            (size(1_000), "1000"),
            (size(64 << 20), "64M"),
            (size(3 << 29), "1.5G"),
            (size(1_000 << 24), "15.6G"),
            (size((1 << 30) - 1), "1024M"),
            (span(0), "0"),
            (span(999), "999ns"),
            (span(1_250_000), "1.3ms"),
            (span(340_000_000), "340ms"),
            (span(3_400_000_000), "3.4s"),
            (span(200_000_000_000), "3.3m"),
            (count(1_250), "1250"),
            (count(12_499), "12k"),
            (percent(0), "0%"),
            (percent(123), "1.2%"),
            (percent(9_940), "99%"),
        ] {
            assert_eq!(text, right);
            assert!(text.len() <= 6, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_visibly() {
        assert_eq!(fit("nginx", 5, '…'), "nginx");
        assert_eq!(fit("nginx.service", 6, '…'), "nginx…");
        assert_eq!(fit("nginx", 0, '…'), "");
    }
}
