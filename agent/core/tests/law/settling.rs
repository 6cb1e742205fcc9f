//! Writes that fail, decisions of the slow loop, new bounds, audits.

use crate::{Bench, SLOT, event, update};
use trimtab_core::decide::{
    Audit, EnvelopeUpdate, Record, Refusal, Settle, audit, refit, refund, release, settle, unsettle,
};
use trimtab_core::signal::{Amount, Denial, Nanos, Resource};

#[test]
fn a_failed_write_gives_everything_back() {
    let mut bench = Bench::new(|_| {});
    let event = event(&bench.envelope, bench.now);
    let spent = bench.spend_on(&event);
    let back = refund(&mut bench.envelope, &mut bench.pool, spent);
    assert_eq!(
        (back.to, back.denial),
        (Amount(100_000), Some(Denial::WriteFailed))
    );
    assert_eq!(
        (bench.pool.lent, bench.envelope.lent, bench.envelope.limit),
        (Amount(0), Amount(0), Amount(100_000))
    );
    assert_eq!(
        bench.lift().to,
        Amount(200_000),
        "the next event is heard again"
    );
}

#[test]
fn a_settlement_is_superseded_by_any_change() {
    let mut bench = Bench::new(|_| {});
    let order = Settle {
        slot: SLOT,
        resource: Resource::Cpu,
        epoch: 1,
        seen_seq: bench.envelope.seq,
        limit: Amount(60_000),
    };
    assert_eq!(bench.lift().denial, None);
    let settled = settle(
        Nanos(bench.now),
        9,
        &mut bench.envelope,
        &mut bench.pool,
        &order,
    );
    assert_eq!(
        (settled.refusal, settled.to),
        (Some(Refusal::Superseded), Amount(200_000))
    );
    assert_eq!(settled.envelope_seq, bench.envelope.seq);
}

#[test]
fn settling_credits_and_debits() {
    let mut bench = Bench::new(|_| {});
    bench.lift();
    bench.lift();
    assert_eq!(bench.settle(300_005), Ok(Amount(300_010)));
    assert_eq!(bench.pool.lent, Amount(200_010));
    bench.pool.size = Amount(250_010);
    assert_eq!(
        bench.settle(900_000),
        Ok(Amount(350_010)),
        "granted in part"
    );
    assert_eq!(bench.settle(900_000), Err(Refusal::PoolEmpty));
    assert_eq!(bench.settle(1), Ok(Amount(50_000)), "the floor");
    assert_eq!(bench.settle(1), Err(Refusal::NoChange));
    assert_eq!(bench.pool.lent, Amount::ZERO);
    bench.envelope.below = Amount(70_000);
    assert_eq!(bench.settle(90_000), Ok(Amount(90_000)));
    assert_eq!(bench.settle(1), Ok(Amount(70_000)), "a child holds as much");
}

#[test]
fn a_failed_settlement_is_taken_back() {
    let mut bench = Bench::new(|_| {});
    bench.lift();
    let order = Settle {
        slot: SLOT,
        resource: Resource::Cpu,
        epoch: 1,
        seen_seq: bench.envelope.seq,
        limit: Amount(60_000),
    };
    let settled = settle(
        Nanos(bench.now),
        9,
        &mut bench.envelope,
        &mut bench.pool,
        &order,
    );
    assert_eq!(bench.pool.lent, Amount::ZERO);
    let back = unsettle(&mut bench.envelope, &mut bench.pool, settled);
    assert_eq!(
        (back.refusal, bench.envelope.limit),
        (Some(Refusal::WriteFailed), Amount(200_000))
    );
    assert_eq!(bench.pool.lent, Amount(100_000));
}

#[test]
fn new_bounds_correct_the_pool_and_leave_the_limit() {
    let mut bench = Bench::new(|_| {});
    bench.lift();
    let raised = EnvelopeUpdate {
        floor: Amount(150_000),
        ..update(Resource::Cpu)
    };
    refit(&mut bench.envelope, &mut bench.pool, &raised);
    assert_eq!(
        (bench.envelope.limit, bench.pool.lent),
        (Amount(200_000), Amount(50_000))
    );
    let nested = EnvelopeUpdate {
        nested: true,
        ..raised
    };
    refit(&mut bench.envelope, &mut bench.pool, &nested);
    assert_eq!(bench.pool.lent, Amount::ZERO);
    refit(&mut bench.envelope, &mut bench.pool, &raised);
    release(&mut bench.envelope, &mut bench.pool);
    assert_eq!(bench.pool.lent, Amount::ZERO);
    let reborn = EnvelopeUpdate {
        epoch: 2,
        limit: Some(Amount(400_000)),
        ..update(Resource::Cpu)
    };
    refit(&mut bench.envelope, &mut bench.pool, &reborn);
    assert_eq!(
        (bench.envelope.epoch, bench.pool.lent),
        (2, Amount(300_000))
    );
}

#[test]
fn an_audit_tells_foreign_from_late_news() {
    let mut bench = Bench::new(|_| {});
    bench.lift();
    let seen = |time, held| Audit {
        time: Nanos(time),
        slot: SLOT,
        resource: Resource::Cpu,
        epoch: 1,
        held,
    };
    let late = seen(bench.now - 10, Amount(100_000));
    assert_eq!(
        audit(5, &mut bench.envelope, &bench.pool, &late),
        None,
        "read before our write"
    );
    let ours = seen(bench.now + 10, Amount(200_000));
    let Some(Record::Synced(synced)) = audit(6, &mut bench.envelope, &bench.pool, &ours) else {
        panic!("the slow loop learns what it missed");
    };
    assert_eq!(
        (synced.limit, synced.envelope_seq),
        (Amount(200_000), bench.envelope.seq)
    );
    let theirs = seen(bench.now + 10, Amount(123_000));
    let Some(Record::Spend(record)) = audit(7, &mut bench.envelope, &bench.pool, &theirs) else {
        panic!("a foreign limit is reported");
    };
    assert_eq!(
        (record.denial, record.event.held),
        (Some(Denial::Foreign), Amount(123_000))
    );
    bench.now += 20;
    assert_eq!(bench.lift().denial, Some(Denial::Foreign));
}
