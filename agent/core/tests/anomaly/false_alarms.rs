//! How often something is told of workloads about which nothing is out of the ordinary.

use crate::world::{DAY, amount, normal, of_cpu, of_memory, told};
use proptest::prelude::*;
use trimtab_core::anomaly::News;

/// So many workloads are looked at for a week each.
const WORKLOADS: u64 = 200;
const WEEK: usize = 7 * DAY;

/// A level from the least to the most, all powers alike.
fn level(random: &mut fastrand::Rng, least: f64, most: f64) -> f64 {
    least * (most / least).powf(random.f64())
}

/// Alarms in all, of workloads each of which is made from a seed.
fn alarms(told: impl Fn(&mut fastrand::Rng) -> Vec<(usize, News)>) -> usize {
    let begins = |news: &(usize, News)| matches!(news.1, News::Begins(_));
    let of = |seed| {
        let told = told(&mut fastrand::Rng::with_seed(seed));
        told.into_iter().filter(begins).count()
    };
    (0..WORKLOADS).map(of).sum()
}

/// Minutes each of which remembers `memory` of the one before, with a spread of one.
fn noise(random: &mut fastrand::Rng, memory: f64) -> Vec<f64> {
    let mut last = normal(random);
    let innovation = (1.0 - memory * memory).sqrt();
    let minutes = (0..WEEK).map(|_| {
        last = memory * last + innovation * normal(random);
        last
    });
    minutes.collect()
}

/// Varies around a level by so many parts of it.
fn around(random: &mut fastrand::Rng, level: f64, spread: f64, memory: f64) -> Vec<u64> {
    let noise = noise(random, memory);
    let minutes = noise
        .iter()
        .map(|noise| amount(level * (1.0 + spread * noise)));
    minutes.collect()
}

/// What is needed of CPU, by kinds of stationary noise.
fn cpu(random: &mut fastrand::Rng, kind: &str) -> Vec<u64> {
    let level = level(random, 1_000.0, 64_000_000.0);
    match kind {
        "normal" => {
            let spread = 0.5 * random.f64();
            around(random, level, spread, 0.0)
        }
        "heavy-tailed" => {
            let spread = 0.2 + 0.8 * random.f64();
            let noise = noise(random, 0.0);
            noise
                .iter()
                .map(|noise| amount(level * (spread * noise).exp()))
                .collect()
        }
        "slow, a fifth" => around(random, level, 0.2, 0.9),
        "slow, a half" => around(random, level, 0.5, 0.9),
        _ => unreachable!("{kind}"),
    }
}

/// Memory that cannot be dropped, by kinds of what does not leak.
fn memory(random: &mut fastrand::Rng, kind: &str) -> Vec<u64> {
    let level = level(random, 1e6, 64e9);
    match kind {
        "normal" => {
            let spread = 0.3 * random.f64();
            around(random, level, spread, 0.0)
        }
        "slow" => {
            let spread = 0.3 * random.f64();
            around(random, level, spread, 0.99)
        }
        "walk" => {
            // As likely up as down by a hundredth, without any level that it goes back to.
            let mut height = 0.0;
            let minutes = (0..WEEK).map(|_| {
                height += 0.01 * normal(random);
                amount(level * f64::exp(height))
            });
            minutes.collect()
        }
        _ => unreachable!("{kind}"),
    }
}

/// What docs/ANOMALIES.md says, within what another mathematical library may do to it.
#[test]
fn the_table_of_false_alarms() {
    let table = [
        ("normal", 0, 0),
        ("heavy-tailed", 0, 0),
        ("slow, a fifth", 2, 14),
        ("slow, a half", 8, 32),
    ];
    for (kind, least, most) in table {
        let count = alarms(|random| of_cpu(cpu(random, kind)));
        println!("cpu, {kind}: {count}");
        assert!((least..=most).contains(&count), "cpu, {kind}: {count}");
    }
    for (kind, least, most) in [("normal", 0, 0), ("slow", 1, 10), ("walk", 60, 250)] {
        let count = alarms(|random| of_memory(memory(random, kind)));
        println!("memory, {kind}: {count}");
        assert!((least..=most).contains(&count), "memory, {kind}: {count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn stationary_noise_raises_no_alarm(
        cpu in 1_000.0..64e6_f64,
        memory in 1e6..64e9_f64,
        spread in 0.0..0.3_f64,
        seed: u64,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let cpu = around(&mut random, cpu, spread, 0.0);
        let memory = around(&mut random, memory, spread, 0.0);
        let told = told(cpu.into_iter().zip(memory));
        prop_assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn nothing_flaps(seed: u64, calm in 1_usize..200) {
        // Whatever comes, what is over is not told again for a quarter of an hour.
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut cpu, mut memory) = (0, 0);
        let minutes: Vec<_> = (0..WEEK)
            .map(|_| {
                if random.usize(..calm) == 0 {
                    cpu = random.u64(..8_000_000);
                    memory = random.u64(..8 << 30);
                }
                memory += random.u64(..8 << 20);
                (cpu, memory)
            })
            .collect();
        let told = told(minutes);
        for (place, (ended, news)) in told.iter().enumerate() {
            let News::Ends(over) = news else { continue };
            let again = told[place..].iter().find(|(_, news)| {
                matches!(news, News::Begins(begun) if begun.anomaly.is_same(&over.anomaly))
            });
            if let Some((minute, _)) = again {
                prop_assert!(minute - ended >= 15, "{ended} {minute}");
            }
        }
    }
}
