//! What a workload begins with where the trace does not say what was provisioned.

use trimtab_core::signal::Nanos;

/// The least value that is not exceeded for 99 % of the first tenth of a series, and a fifth more. `steps` say
/// from when on which value holds, in order.
pub(super) fn limit(steps: &[(Nanos, u64)], until: Nanos) -> u64 {
    let tenth = until.0 / 10;
    let mut held: Vec<(u64, u64)> = Vec::new();
    for (index, &(from, value)) in steps.iter().enumerate() {
        if from.0 > tenth {
            break;
        }
        let next = steps.get(index + 1).map_or(until.0, |(at, _)| at.0);
        // One nanosecond at least, so that there is a value where the tenth is none.
        held.push((value, next.min(tenth).saturating_sub(from.0).max(1)));
    }
    held.sort_unstable();
    let whole: u128 = held.iter().map(|(_, time)| u128::from(*time)).sum();
    let mut passed = 0;
    let found = held.iter().find(|(_, time)| {
        passed += u128::from(*time);
        passed * 100 >= whole * 99
    });
    let value = found.map_or(0, |(value, _)| *value);
    value.saturating_add(value / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_the_first_tenth_only() {
        let steps = |all: &[(u64, u64)]| -> Vec<_> {
            all.iter().map(|(at, value)| (Nanos(*at), *value)).collect()
        };
        assert_eq!(limit(&steps(&[(0, 100), (500, 900)]), Nanos(1000)), 120);
        // 1 of 100 is exceeded, 2 are not.
        assert_eq!(limit(&steps(&[(0, 100), (99, 900)]), Nanos(1000)), 120);
        assert_eq!(limit(&steps(&[(0, 100), (98, 900)]), Nanos(1000)), 1080);
        assert_eq!(limit(&steps(&[(0, 100)]), Nanos(5)), 120);
        assert_eq!(limit(&[], Nanos(5)), 0);
    }
}
