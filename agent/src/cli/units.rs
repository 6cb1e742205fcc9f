//! Amounts and durations as people read them.

use crate::api::view::Quantity;

/// An amount with its unit: `0.25 CPU`, `64 MiB`, `no limit`.
pub(super) fn quantity(quantity: Quantity) -> String {
    match quantity {
        Quantity::MicroCpus(micro) => format!("{} CPU", cpus(micro)),
        Quantity::Bytes(count) => bytes(count),
        Quantity::Unlimited => "no limit".to_owned(),
    }
}

/// CPUs without the unit, to three digits after the point: `0.25`.
pub(super) fn cpus(micro: u64) -> String {
    trimmed(micro, 1_000_000, 3)
}

/// Memory: `64 MiB`, `1.5 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    match UNITS.iter().find(|(_, unit)| count >= *unit) {
        Some((name, unit)) => format!(
            "{} {name}",
            trimmed(count, *unit, u32::from(count < 100 * unit))
        ),
        None => format!("{count} B"),
    }
}

/// A duration in its largest fitting unit: `42 us`, `1.2 ms`, `3.4 s`, `2 min 5 s`, `3 h 12 min`.
pub(super) fn duration(ns: u64) -> String {
    const MINUTE: u64 = 60;
    let seconds = ns / 1_000_000_000;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} us", trimmed(ns, 1_000, u32::from(ns < 10_000))),
        1_000_000..1_000_000_000 => {
            format!("{} ms", trimmed(ns, 1_000_000, u32::from(ns < 100_000_000)))
        }
        1_000_000_000..60_000_000_000 => format!("{} s", trimmed(ns, 1_000_000_000, 2)),
        _ => match seconds / MINUTE {
            minutes @ 0..60 => pair(minutes, "min", seconds % MINUTE, "s"),
            minutes @ 60..1440 => pair(minutes / 60, "h", minutes % 60, "min"),
            minutes => pair(minutes / 1440, "d", minutes % 1440 / 60, "h"),
        },
    }
}

/// Two units, the lesser one only where it is something.
fn pair(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// `value / unit`, rounded to so many digits after the point, without trailing zeroes.
fn trimmed(value: u64, unit: u64, digits: u32) -> String {
    let scale = 10u128.pow(digits);
    let rounded = (u128::from(value) * scale + u128::from(unit) / 2) / u128::from(unit);
    let (whole, fraction) = (rounded / scale, rounded % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = digits as usize;
    format!(
        "{whole}.{}",
        format!("{fraction:0width$}").trim_end_matches('0')
    )
}

/// Power, from milliwatts: `0.25 W`, `71.3 W`, `1.2 kW`.
pub(super) fn watts(milliwatts: u64) -> String {
    scaled(milliwatts, [("kW", 1_000_000), ("W", 1_000)])
}

/// Energy, from millijoules: `0.25 J`, `340 J`, `3.4 kJ`, `1.2 MJ`.
pub(super) fn joules(millijoules: u64) -> String {
    if millijoules < 1_000_000_000 {
        scaled(millijoules, [("kJ", 1_000_000), ("J", 1_000)])
    } else {
        scaled(millijoules, [("MJ", 1_000_000_000), ("kJ", 1_000_000)])
    }
}

/// A value in the first unit that it fills, or else in the last.
fn scaled(value: u64, units: [(&str, u64); 2]) -> String {
    let [large, small] = units;
    let (name, unit) = if value >= large.1 { large } else { small };
    let digits = match value / unit {
        0 => 2,
        1..100 => 1,
        _ => 0,
    };
    format!("{} {name}", trimmed(value, unit, digits))
}

/// So many of something: `1 lift`, `2 lifts`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Hundredths of a percent: `12.34 %`.
pub(super) fn percent(bp: u32) -> String {
    format!("{} %", trimmed(u64::from(bp), 100, 2))
}

/// A point in time on the wall clock, in UTC to the microsecond.
pub(super) fn wall(unix_ns: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(unix_ns);
    humantime::format_rfc3339_micros(time).to_string()
}

/// The same to the second.
pub(super) fn seconds(unix_ns: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(unix_ns);
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_exact_enough() {
        assert_eq!(quantity(Quantity::MicroCpus(250_000)), "0.25 CPU");
        assert_eq!(quantity(Quantity::MicroCpus(2_000_000)), "2 CPU");
        assert_eq!(quantity(Quantity::MicroCpus(0)), "0 CPU");
        assert_eq!(quantity(Quantity::Bytes(64 << 20)), "64 MiB");
        assert_eq!(quantity(Quantity::Bytes(3 << 29)), "1.5 GiB");
        assert_eq!(quantity(Quantity::Bytes(1000)), "1000 B");
        assert_eq!(quantity(Quantity::Bytes(u64::MAX)), "16777216 TiB");
        assert_eq!(quantity(Quantity::Unlimited), "no limit");
    }

    #[test]
    fn durations_take_the_unit_that_fits() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_250, "1.3 us"),
            (42_000, "42 us"),
            (1_200_000, "1.2 ms"),
            (340_000_000, "340 ms"),
            (3_400_000_000, "3.4 s"),
            (125_000_000_000, "2 min 5 s"),
            (7_200_000_000_000, "2 h"),
            (11_520_000_000_000, "3 h 12 min"),
            (180_000_000_000_000, "2 d 2 h"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn power_and_energy_are_short() {
        for (milli, power, energy) in [
            (0, "0 W", "0 J"),
            (254, "0.25 W", "0.25 J"),
            (71_349, "71.3 W", "71.3 J"),
            (340_400, "340 W", "340 J"),
            (3_449_000, "3.4 kW", "3.4 kJ"),
        ] {
            assert_eq!(
                (watts(milli).as_str(), joules(milli).as_str()),
                (power, energy)
            );
        }
        assert_eq!(joules(1_200_000_000), "1.2 MJ");
    }

    #[test]
    fn time_is_in_utc() {
        assert_eq!(
            wall(1_700_000_000_123_456_789),
            "2023-11-14T22:13:20.123456Z"
        );
    }
}
