//! Lifts: how far, how often, and why not.

use crate::{Bench, event, update};
use trimtab_core::decide::{Envelope, EnvelopeUpdate, Pool, Refusal, refit, spend, written};
use trimtab_core::signal::{Amount, Cause, Denial, Event, Nanos, Resource};

#[test]
fn the_first_lift_doubles_the_second_goes_to_the_ceiling() {
    let mut bench = Bench::new(|_| {});
    let first = bench.lift();
    assert_eq!(
        (first.to, first.granted, first.burst),
        (Amount(200_000), Amount(100_000), 1)
    );
    let second = bench.lift();
    assert_eq!(
        (second.from, second.to, second.burst),
        (Amount(200_000), Amount(2_000_000), 2)
    );
    assert_eq!(bench.pool.lent, Amount(1_900_000));
    assert_eq!(bench.lift().denial, Some(Denial::Ceiling));
}

#[test]
fn a_second_lift_of_memory_leaves_half_for_others() {
    const MIB: u64 = 1 << 20;
    let lift = |ceiling: u64, headroom: u64, pool: u64| {
        let update = EnvelopeUpdate {
            adopted: Amount(64 * MIB),
            floor: Amount(16 * MIB),
            ceiling: Amount(ceiling * MIB),
            step: Amount(32 * MIB),
            ..update(Resource::Memory)
        };
        let mut envelope = Envelope::new(&update);
        let mut pool = Pool::new(Amount(pool * MIB));
        let mut to = Vec::new();
        for seq in 1..=2 {
            let event = Event {
                cause: Cause::MemoryNear,
                used: envelope.limit,
                headroom: Amount(headroom * MIB),
                ..event(&envelope, seq)
            };
            let spend = spend(Nanos(seq), seq, &mut envelope, &mut pool, &event);
            written(&mut envelope, Nanos(seq));
            to.push(spend.to.0 / MIB);
        }
        to
    };
    assert_eq!(lift(65_536, 10_000, 20_000), [128, 5_128], "of the node");
    assert_eq!(lift(65_536, 10_000, 2_064), [128, 1_128], "of the pool");
    assert_eq!(lift(1_000, 10_000, 20_000), [128, 1_000], "to the ceiling");
    assert_eq!(lift(65_536, 200, 20_000), [128, 256], "at least doubled");
}

#[test]
fn a_first_lift_adds_at_least_a_step() {
    let mut bench = Bench::new(|update| update.step = Amount(500_000));
    assert_eq!(bench.lift().to, Amount(600_000));
}

#[test]
fn a_second_later_it_is_another_burst() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.lift().to, Amount(200_000));
    bench.now += Nanos::SECOND.0;
    assert_eq!(bench.lift().to, Amount(400_000));
}

#[test]
fn what_is_heard_before_the_write_took_effect_is_stale() {
    let mut bench = Bench::new(|_| {});
    let old = event(&bench.envelope, bench.now);
    let first = bench.spend_on(&old);
    assert_eq!(first.denial, None);
    assert_eq!(
        bench.spend_on(&old).denial,
        Some(Denial::Stale),
        "the write is under way"
    );
    written(&mut bench.envelope, Nanos(bench.now));
    assert_eq!(
        bench.spend_on(&old).denial,
        Some(Denial::Stale),
        "it carries the old limit"
    );
    assert_eq!(bench.envelope.foreign, None);
}

#[test]
fn a_foreign_limit_stops_everything_until_readoption() {
    let mut bench = Bench::new(|_| {});
    let strange = Event {
        held: Amount(30_000),
        ..event(&bench.envelope, bench.now)
    };
    assert_eq!(bench.spend_on(&strange).denial, Some(Denial::Foreign));
    assert_eq!(
        bench.lift().denial,
        Some(Denial::Foreign),
        "even if the value came back"
    );
    assert_eq!(bench.settle(200_000), Err(Refusal::Foreign));
    let readopt = EnvelopeUpdate {
        adopted: Amount(30_000),
        limit: Some(Amount(30_000)),
        ..update(Resource::Cpu)
    };
    refit(&mut bench.envelope, &mut bench.pool, &readopt);
    assert_eq!(
        (bench.envelope.limit, bench.envelope.foreign),
        (Amount(30_000), None)
    );
    assert_eq!(bench.lift().to, Amount(80_000));
}

#[test]
fn what_other_cpus_saw_before_a_foreign_limit_is_no_second_one() {
    let mut bench = Bench::new(|_| {});
    let before = event(&bench.envelope, bench.now);
    let strange = Event {
        held: Amount(30_000),
        ..event(&bench.envelope, bench.now + 1_000)
    };
    assert_eq!(bench.spend_on(&strange).denial, Some(Denial::Foreign));
    assert_eq!(bench.spend_on(&before).denial, Some(Denial::Stale));
    let refused = bench.settled(200_000);
    assert_eq!(
        (refused.refusal, refused.to),
        (Some(Refusal::Foreign), Amount(30_000)),
        "what it says was found is theirs"
    );
    let readopt = EnvelopeUpdate {
        adopted: Amount(30_000),
        limit: Some(Amount(30_000)),
        ..update(Resource::Cpu)
    };
    refit(&mut bench.envelope, &mut bench.pool, &readopt);
    assert_eq!(bench.spend_on(&before).denial, Some(Denial::Stale));
    assert_eq!(bench.envelope.foreign, None);
}

#[test]
fn unarmed_writes_nothing() {
    let mut bench = Bench::new(|update| update.armed = false);
    assert_eq!(bench.lift().denial, Some(Denial::NotEnforced));
    assert_eq!(bench.settle(200_000), Err(Refusal::NotEnforced));
}

#[test]
fn lifting_back_to_what_the_owner_gave_is_free() {
    let mut bench = Bench::new(|update| update.adopted = Amount(1_000_000));
    bench.pool.size = Amount::ZERO;
    assert_eq!(bench.settle(120_000), Ok(Amount(120_000)));
    assert_eq!(bench.lift().to, Amount(240_000));
    let second = bench.lift();
    assert_eq!(
        (second.to, second.granted),
        (Amount(1_000_000), Amount::ZERO)
    );
    assert_eq!(bench.lift().denial, Some(Denial::PoolEmpty));
}

#[test]
fn even_a_small_way_back_is_worth_a_write() {
    let mut bench = Bench::new(|update| update.adopted = Amount(1_000_000));
    bench.pool.size = Amount::ZERO;
    assert_eq!(bench.settle(990_000), Ok(Amount(990_000)));
    assert_eq!(bench.lift().to, Amount(1_000_000));
}

#[test]
fn the_pool_bounds_a_lift_and_crumbs_are_not_written() {
    let mut bench = Bench::new(|_| {});
    bench.pool.size = Amount(60_005);
    let lift = bench.lift();
    assert_eq!(
        (lift.to, lift.granted, lift.pool_left),
        (Amount(160_000), Amount(60_000), Amount(5))
    );
    assert_eq!(bench.lift().denial, Some(Denial::PoolEmpty));
    let mut bench = Bench::new(|_| {});
    bench.pool.size = Amount(12_000);
    assert_eq!(
        bench.lift().denial,
        Some(Denial::PoolEmpty),
        "less than a quarter step"
    );
}

#[test]
fn a_small_gap_below_the_ceiling_is_still_lifted() {
    let mut bench = Bench::new(|update| update.ceiling = Amount(103_000));
    assert_eq!(bench.lift().to, Amount(103_000));
}

#[test]
fn nested_workloads_bypass_the_pool_but_not_their_parent() {
    let mut bench = Bench::new(|update| update.nested = true);
    bench.pool.size = Amount::ZERO;
    bench.envelope.above = Amount(150_000);
    let lift = bench.lift();
    assert_eq!((lift.to, lift.granted), (Amount(150_000), Amount::ZERO));
    assert_eq!(bench.lift().denial, Some(Denial::LimitedAbove));
}

#[test]
fn lifts_per_minute_are_bounded() {
    let mut bench = Bench::new(|update| {
        update.lifts_per_minute = 8;
        update.ceiling = Amount(1 << 50);
        update.nested = true;
        update.step = Amount(10);
    });
    let mut lifts = 0;
    for _ in 0..60 {
        bench.now += Nanos::SECOND.0;
        match bench.lift().denial {
            None => lifts += 1,
            Some(denial) => assert_eq!(denial, Denial::Rate),
        }
    }
    assert!((8..=10).contains(&lifts), "{lifts}");
}

fn memory(used: u64, headroom: u64) -> (Envelope, Event) {
    let mib = 1 << 20;
    let update = EnvelopeUpdate {
        adopted: Amount(64 * mib),
        floor: Amount(16 * mib),
        ceiling: Amount(1024 * mib),
        step: Amount(16 * mib),
        ..update(Resource::Memory)
    };
    let envelope = Envelope::new(&update);
    let event = Event {
        cause: Cause::MemoryNear,
        used: Amount(used * mib),
        headroom: Amount(headroom * mib),
        ..event(&envelope, 10)
    };
    (envelope, event)
}

#[test]
fn page_cache_is_not_need() {
    let mut pool = Pool::new(Amount(1 << 40));
    let (mut envelope, event) = memory(30, 10_000);
    assert_eq!(
        spend(Nanos(20), 1, &mut envelope, &mut pool, &event).denial,
        Some(Denial::Reclaimable)
    );
    let failing = Event {
        cause: Cause::ReclaimFailing,
        ..event
    };
    assert_eq!(
        spend(Nanos(20), 2, &mut envelope, &mut pool, &failing).to,
        Amount(128 << 20)
    );
}

#[test]
fn memory_that_is_not_used_yet_counts_against_the_node() {
    let mut pool = Pool::new(Amount(1 << 40));
    let (mut envelope, event) = memory(50, 10);
    let spent = spend(Nanos(20), 1, &mut envelope, &mut pool, &event);
    assert_eq!(
        spent.denial,
        Some(Denial::NodeShort),
        "14 of the limit are unused, the node has 10"
    );
    let (mut envelope, event) = memory(50, 34);
    assert_eq!(
        spend(Nanos(20), 2, &mut envelope, &mut pool, &event).to,
        Amount(84 << 20)
    );
}
