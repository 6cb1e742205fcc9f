//! Leaks are found in time, and what falls back is none.

use crate::world::{DAY, amount, float, normal, of_memory};
use proptest::prelude::*;
use std::fmt::Write as _;
use trimtab_core::anomaly::{Anomaly, News};

const MIB: u64 = 1 << 20;
const LOOKS: [usize; 4] = [1, 4, 16, 64];

/// The minute in which a leak is found.
fn found(bytes: impl IntoIterator<Item = u64>) -> Option<usize> {
    let leak = |(minute, news): &(usize, News)| match news {
        News::Begins(standing) => matches!(standing.anomaly, Anomaly::Leak(_)).then_some(*minute),
        News::Ends(_) => None,
    };
    of_memory(bytes).iter().find_map(leak)
}

/// So much at first, then so much more an hour.
fn leaking(base: u64, per_hour: u64, begins: usize) -> impl Iterator<Item = u64> {
    (0..8 * DAY).map(move |minute| {
        let minutes = minute.saturating_sub(begins) as u64;
        (base * MIB) + per_hour * MIB * minutes / 60
    })
}

/// A leak is found as soon as the shortest look over which it grows enough sees nothing but it: 33 blocks, and one that may
/// have begun before it.
fn promised(base: u64, per_hour: u64) -> Option<usize> {
    let least = (16 * MIB).max(base * MIB / 20);
    let look = LOOKS.into_iter().find(|block| {
        // What a look over blocks of this many minutes sees it grow, a little less for what is rounded.
        per_hour * MIB * 31 * *block as u64 / 60 * 9 / 10 > least
    });
    look.map(|block| 35 * block)
}

#[test]
fn the_table_of_what_is_found_when() {
    let mut table = String::new();
    for base in [100, 1_000, 10_000] {
        for per_hour in [1, 3, 10, 30, 100, 300, 1_000, 10_000] {
            // After a day without.
            let after = found(leaking(base, per_hour, DAY)).map(|minute| minute - DAY);
            let after = after.map_or_else(|| "never".into(), |minutes| format!("{minutes} min"));
            writeln!(table, "{base} MiB, {per_hour} MiB/h: {after}").unwrap();
        }
    }
    insta::assert_snapshot!(table, @r"
    100 MiB, 1 MiB/h: 1760 min
    100 MiB, 3 MiB/h: 448 min
    100 MiB, 10 MiB/h: 112 min
    100 MiB, 30 MiB/h: 112 min
    100 MiB, 100 MiB/h: 28 min
    100 MiB, 300 MiB/h: 28 min
    100 MiB, 1000 MiB/h: 28 min
    100 MiB, 10000 MiB/h: 28 min
    1000 MiB, 1 MiB/h: never
    1000 MiB, 3 MiB/h: 1760 min
    1000 MiB, 10 MiB/h: 448 min
    1000 MiB, 30 MiB/h: 112 min
    1000 MiB, 100 MiB/h: 31 min
    1000 MiB, 300 MiB/h: 28 min
    1000 MiB, 1000 MiB/h: 28 min
    1000 MiB, 10000 MiB/h: 28 min
    10000 MiB, 1 MiB/h: never
    10000 MiB, 3 MiB/h: never
    10000 MiB, 10 MiB/h: never
    10000 MiB, 30 MiB/h: 1760 min
    10000 MiB, 100 MiB/h: 448 min
    10000 MiB, 300 MiB/h: 112 min
    10000 MiB, 1000 MiB/h: 31 min
    10000 MiB, 10000 MiB/h: 28 min
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_leak_is_found_within_what_is_promised(
        base in 10_u64..20_000,
        per_hour in 1_u64..5_000,
        begins in 200_usize..2_000,
        noise in 0.0..0.04_f64,
        seed: u64,
    ) {
        // It varies by so much of what it grows in a look.
        let mut random = fastrand::Rng::with_seed(seed);
        if let Some(promised) = promised(base, per_hour) {
            let most = begins + promised.max(96);
            let look = promised as u64 / 35;
            let spread = noise * float(per_hour * MIB * 32 * look / 60) / 4.0;
            let bytes = leaking(base, per_hour, begins).map(|bytes| bytes + amount(spread * normal(&mut random).abs()));
            let minute = found(bytes.take(most + 64));
            prop_assert!(minute.is_some_and(|minute| minute <= most), "{minute:?} > {most}");
        }
    }

    #[test]
    fn a_sawtooth_is_no_leak(
        base in 10_u64..20_000,
        height in 1_u64..40_000,
        period in 2_usize..48,
        phase in 0_usize..48,
        jitter in 0.0..0.1_f64,
        seed: u64,
    ) {
        // A collection takes it back to where it was, in minutes; no two are alike.
        let mut random = fastrand::Rng::with_seed(seed);
        let saw = (0..3 * DAY).map(|minute| {
            let grown = height * MIB * ((minute + phase) % period) as u64 / period as u64;
            base * MIB + amount(float(grown) * (1.0 + jitter * random.f64()))
        });
        prop_assert_eq!(found(saw), None);
    }

    #[test]
    fn a_long_sawtooth_is_called_once_at_most(
        base in 10_u64..20_000,
        height in 1_u64..40_000,
        period in 48_usize..1_000,
        phase in 0_usize..1_000,
    ) {
        // While it has not been seen to fall yet, it is a leak as far as anybody can tell.
        let saw = (0..8 * DAY).map(|minute| {
            base * MIB + height * MIB * ((minute + phase) % period) as u64 / period as u64
        });
        let begins = of_memory(saw).into_iter().filter(|(_, news)| matches!(news, News::Begins(_)));
        let minutes: Vec<_> = begins.map(|(minute, _)| minute).collect();
        let falls = period - phase % period + period;
        prop_assert!(minutes.len() <= 1 && minutes.iter().all(|minute| *minute <= falls), "{minutes:?}");
    }
}
