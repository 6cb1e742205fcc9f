//! A few nodes that can be checked by hand.

use trimtab_core::decide::{Arbiter, Claim, Entitlement, Priority};
use trimtab_core::signal::Amount;

fn claim(floor: u64, want: u64, weight: u16, priority: Priority) -> Claim {
    Claim {
        floor: Amount(floor),
        held: Amount::ZERO,
        want: Amount(want),
        ceiling: Amount::UNLIMITED,
        entitlement: Entitlement { weight, priority },
        parent: None,
    }
}

fn divide(claims: &[Claim], spare: u64) -> Vec<u64> {
    let mut arbiter = Arbiter::default();
    let shares = arbiter.divide(claims, Amount(spare));
    shares.iter().map(|share| share.0).collect()
}

#[test]
fn who_wants_little_gets_it_and_the_others_divide_the_rest() {
    let normal = |want| claim(0, want, 100, Priority::Normal);
    let claims = [normal(10), normal(100), normal(200)];
    assert_eq!(divide(&claims, 110), [10, 50, 50]);
    assert_eq!(divide(&claims, 310), [10, 100, 200]);
    assert_eq!(divide(&[], 5), [0; 0]);
}

#[test]
fn weights_count_from_the_floors_on() {
    let claims = [
        claim(50, 1_000, 300, Priority::Normal),
        claim(10, 1_000, 100, Priority::Normal),
    ];
    assert_eq!(divide(&claims, 400), [350, 110]);
}

#[test]
fn the_higher_priority_is_served_first_and_floors_before_all() {
    let claims = [
        claim(30, 500, 10_000, Priority::Low),
        claim(0, 80, 1, Priority::High),
        claim(0, 100, 100, Priority::Normal),
    ];
    assert_eq!(divide(&claims, 60), [30, 60, 0]);
    assert_eq!(divide(&claims, 100), [30, 80, 20]);
    assert_eq!(divide(&claims, 200), [50, 80, 100]);
}

#[test]
fn what_cannot_be_taken_back_is_nobody_elses() {
    let mut claims = [
        claim(0, 100, 100, Priority::Low),
        claim(0, 100, 100, Priority::High),
        claim(0, 100, 100, Priority::High),
    ];
    claims[0].held = Amount(70);
    claims[1].held = Amount(20);
    assert_eq!(divide(&claims, 100), [70, 20, 10]);
    assert_eq!(divide(&claims, 120), [70, 25, 25]);
    assert_eq!(
        divide(&claims, 50),
        [70, 20, 0],
        "more is held than there is"
    );
}

#[test]
fn a_child_pulls_its_parent_up_in_its_own_priority() {
    let mut claims = [
        claim(0, 90, 100, Priority::Low),
        claim(0, 100, 100, Priority::Normal),
        claim(0, 60, 100, Priority::High),
        claim(0, 300, 100, Priority::Low),
    ];
    claims[2].parent = Some(0);
    claims[3].parent = Some(0);
    assert_eq!(divide(&claims, 50), [50, 0, 50, 50]);
    assert_eq!(divide(&claims, 100), [60, 40, 60, 60]);
    assert_eq!(divide(&claims, 170), [70, 100, 60, 70]);
}

#[test]
fn amounts_without_a_limit_are_no_trouble() {
    let all = claim(0, u64::MAX, 10_000, Priority::Normal);
    let own = claim(u64::MAX, u64::MAX, 100, Priority::Normal);
    let most = u64::MAX / 2;
    let shares = divide(&[all, all, own], u64::MAX - 1);
    assert_eq!(shares, [most, most, u64::MAX]);
    assert_eq!(divide(&[all], u64::MAX), [u64::MAX]);
}

#[test]
fn parents_that_go_round_in_a_circle_end() {
    let mut claims = [claim(5, 10, 100, Priority::Normal); 2];
    claims[0].parent = Some(1);
    claims[1].parent = Some(0);
    let shares = divide(&claims, 100);
    assert!(
        shares.iter().all(|share| (5..=10).contains(share)),
        "{shares:?}"
    );
}
