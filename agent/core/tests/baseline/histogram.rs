//! The decaying histogram.

use crate::{DAY, HOUR};
use trimtab_core::baseline::histogram::{Histogram, Scale};
use trimtab_core::signal::Nanos;

fn cpu() -> Scale {
    Scale::up_to(1000.0, 0.01, 1.05, 1e-4)
}

fn histogram() -> Histogram {
    Histogram::new(cpu(), Nanos(DAY))
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= right.abs() * 1e-12
}

#[test]
fn both_scales_have_176_buckets() {
    assert_eq!(cpu().buckets(), 176);
    assert_eq!(Scale::up_to(1e12, 1e7, 1.05, 1e-4).buckets(), 176);
}

#[test]
fn buckets_begin_where_the_last_ended_and_grow_by_a_twentieth() {
    let scale = cpu();
    assert!(close(scale.start(1), 0.01));
    assert!(close(scale.start(2), 0.0205));
    assert!(close(scale.start(3), 0.031_525));
    assert_eq!(scale.bucket(0.0), 0);
    assert_eq!(scale.bucket(0.009_99), 0);
    assert_eq!(scale.bucket(0.010_01), 1);
    assert_eq!(scale.bucket(0.020_51), 2);
    assert_eq!(scale.bucket(1e9), 175);
}

#[test]
fn a_percentile_is_the_end_of_its_bucket_and_the_last_ones_beginning() {
    let mut one = histogram();
    one.add(0.015, 1.0, Nanos(0));
    assert!(close(one.percentile(0.5), 0.0205));
    let mut far = histogram();
    far.add(1e9, 1.0, Nanos(0));
    assert!(close(far.percentile(0.5), cpu().start(175)));
}

#[test]
fn an_empty_histogram_says_nothing() {
    let mut empty = histogram();
    assert!(empty.is_empty());
    assert!(empty.percentile(0.9).abs() < f64::EPSILON);
    empty.add(1.0, 1e-5, Nanos(0));
    assert!(empty.is_empty());
}

#[test]
fn a_sample_counts_half_after_a_half_life() {
    // One at day 0 and one at day 1: a third and two thirds.
    let mut both = histogram();
    both.add(0.5, 1.0, Nanos(0));
    both.add(2.0, 1.0, Nanos(DAY));
    assert!(both.percentile(0.33) < 0.6);
    assert!(both.percentile(0.34) > 2.0);
}

#[test]
fn what_was_taken_out_does_not_count() {
    let mut both = histogram();
    both.add(0.5, 1.0, Nanos(0));
    both.add(2.0, 1.0, Nanos(HOUR));
    both.subtract(2.0, 1.0, Nanos(HOUR));
    assert!(both.percentile(1.0) < 0.6);
    both.subtract(0.5, 1.0, Nanos(0));
    assert!(both.is_empty());
}

#[test]
fn after_a_hundred_half_lives_weights_are_scaled_and_percentiles_stay() {
    let mut old = histogram();
    old.add(0.5, 1.0, Nanos(99 * DAY));
    old.add(2.0, 1.0, Nanos(100 * DAY));
    old.add(2.0, 1e-9, Nanos(100 * DAY + HOUR));
    assert!(old.percentile(0.33) < 0.6);
    assert!(old.percentile(0.34) > 2.0);
    old.add(9.0, 1.0, Nanos(400 * DAY));
    assert!(old.percentile(0.001) > 8.0);
}
