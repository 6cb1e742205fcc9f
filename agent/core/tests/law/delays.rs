//! Loans that keep others waiting.

use crate::{Bench, SLOT};
use trimtab_core::decide::{Envelope, Refusal, Settle, call_in, give_way};
use trimtab_core::signal::{Amount, Delay, Denial, Nanos, Slot};

const SECOND: u64 = Nanos::SECOND.0;

fn delay(bench: &Bench) -> Delay {
    Delay {
        time: Nanos(bench.now),
        slot: SLOT,
        held: bench.envelope.limit,
        waiting: Some(Slot(3)),
        waited: Nanos(20 * Nanos::MILLI.0),
    }
}

/// One that wants more than its own all the time.
fn borrower() -> Bench {
    Bench::new(|update| update.modest = false)
}

fn call(bench: &mut Bench) -> Option<Settle> {
    let delay = delay(bench);
    bench.now += 1_000;
    call_in(Nanos(bench.now), &mut bench.envelope, &delay)
}

/// Lends, is told of a delay, and ends the loan; for how long nothing is lent then.
fn lend_and_call(bench: &mut Bench) -> u64 {
    assert_eq!(bench.lift().denial, None);
    let order = call(bench);
    let ended = order.map(|order| bench.settle(order.limit.0));
    assert_eq!(ended, Some(Ok(Amount(100_000))));
    assert_eq!(
        (bench.envelope.lent, bench.pool.lent),
        (Amount::ZERO, Amount::ZERO)
    );
    bench.envelope.barred.since(Nanos(bench.now)).0
}

#[test]
fn a_loan_that_keeps_others_waiting_ends_and_is_not_given_again_for_a_while() {
    let mut bench = borrower();
    assert_eq!(lend_and_call(&mut bench), 2 * SECOND);
    assert_eq!(bench.lift().denial, Some(Denial::Barred));
    assert_eq!(bench.settle(300_000), Err(Refusal::Barred));
    bench.now += 2 * SECOND;
    assert_eq!(bench.lift().denial, None);
}

#[test]
fn its_own_is_never_barred() {
    let mut bench = borrower();
    lend_and_call(&mut bench);
    assert_eq!(bench.settle(50_000), Ok(Amount(50_000)));
    assert_eq!(bench.lift().to, Amount(100_000));
}

#[test]
fn who_keeps_others_waiting_again_waits_twice_as_long() {
    let mut bench = borrower();
    let mut bars = Vec::new();
    for _ in 0..10 {
        bars.push(lend_and_call(&mut bench) / SECOND);
        bench.now = bench.envelope.barred.0;
    }
    assert_eq!(bars, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
    bench.now += 599 * SECOND;
    assert_eq!(lend_and_call(&mut bench), 600 * SECOND, "too soon");
    bench.now = bench.envelope.barred.0 + 600 * SECOND;
    assert_eq!(lend_and_call(&mut bench), 2 * SECOND, "it is long ago");
}

#[test]
fn what_is_old_or_not_lent_is_not_called_in() {
    let mut bench = borrower();
    assert_eq!(call(&mut bench), None, "nothing is lent");
    let early = delay(&bench);
    bench.lift();
    let told =
        |bench: &mut Bench, delay: &Delay| call_in(Nanos(bench.now), &mut bench.envelope, delay);
    assert_eq!(told(&mut bench, &early), None, "seen before the lift");
    let foreign = Delay {
        held: Amount(1_230_000),
        ..delay(&bench)
    };
    assert_eq!(
        told(&mut bench, &foreign),
        None,
        "under somebody else's limit"
    );
    bench.envelope.armed = false;
    assert_eq!(call(&mut bench), None, "not ours to write");
    assert_eq!(bench.envelope.barred, Nanos(0));
    bench.envelope.armed = true;
    bench.envelope.modest = true;
    assert_eq!(call(&mut bench), None, "a burst");
    bench.envelope.modest = false;
    assert!(call(&mut bench).is_some());
}

#[test]
fn who_uses_no_more_than_its_own_gets_as_much_as_who_borrows_all_the_time() {
    let mut asking = Bench::new(|_| {}).envelope;
    let mut payer = borrower();
    payer.lift();
    payer.lift();
    let way = |payer: &Bench, asking: &Envelope| give_way(SLOT, &payer.envelope, asking);
    let (limit, lent) = (payer.envelope.limit, payer.envelope.lent);
    let order = way(&payer, &asking).expect("it has a loan");
    assert_eq!(order.limit, limit.minus(lent.percent(50)));
    asking.lent = lent.percent(40);
    let order = way(&payer, &asking).expect("it has the larger loan");
    assert_eq!(order.limit, limit.minus(lent.percent(30)));
    asking.lent = lent.percent(99);
    assert_eq!(way(&payer, &asking), None, "not worth a write");

    asking.lent = Amount::ZERO;
    asking.modest = false;
    assert_eq!(way(&payer, &asking), None, "who borrows all the time");
    asking.modest = true;
    payer.envelope.modest = true;
    assert_eq!(way(&payer, &asking), None, "from one who does not");
    payer.envelope.modest = false;
    payer.envelope.armed = false;
    assert_eq!(way(&payer, &asking), None, "whose limit is not ours");
}
