//! Requests: waiting and latency against queueing theory.

use trimtab_core::node::{Arrivals, Demand, Service, Workload};
use trimtab_core::signal::{Amount, Nanos, Slot};

use crate::support::{alone, ms};

/// Mean latency in us of some 100,000 requests of 1 ms on average.
fn mean_latency_us(mean_gap_us: u64, service: Service, threads: u32) -> f64 {
    let demand = Demand::Requests {
        arrivals: Arrivals::Poisson {
            mean: Nanos(mean_gap_us * 1_000),
            seed: 7,
        },
        service,
        threads,
    };
    let until = Nanos(mean_gap_us * 1_000 * 100_000);
    let node = alone(Workload::cpu(demand, Amount::UNLIMITED), until);
    let meter = node.meter(Slot(0)).cloned().unwrap_or_default();
    assert!(
        (99_000..101_000).contains(&meter.answered()),
        "{}",
        meter.answered()
    );
    meter.latencies().map_or(0.0, hdrhistogram::Histogram::mean)
}

fn assert_near(found: f64, expected: f64) {
    assert!(
        (found / expected - 1.0).abs() < 0.03,
        "{found} instead of {expected}"
    );
}

#[test]
fn fixed_service_waits_as_in_m_d_1() {
    // Half busy: a wait of half a service. At four fifths: two services.
    assert_near(mean_latency_us(2_000, Service::Fixed(ms(1)), 1), 1_500.0);
    assert_near(mean_latency_us(1_250, Service::Fixed(ms(1)), 1), 3_000.0);
}

#[test]
fn exponential_service_waits_as_in_m_m_1_and_m_m_2() {
    let service = Service::Exponential {
        mean: ms(1),
        seed: 9,
    };
    assert_near(mean_latency_us(2_000, service, 1), 2_000.0);
    // Two servers, each half busy: 1 / (1 - 1/4) services.
    assert_near(mean_latency_us(1_000, service, 2), 1_333.3);
}

#[test]
fn requests_are_served_first_come_first_served_by_as_many_threads_as_there_are() {
    let demand = Demand::Requests {
        arrivals: Arrivals::Given(vec![ms(0), ms(1), ms(2), ms(3)]),
        service: Service::Fixed(ms(10)),
        threads: 2,
    };
    let node = alone(Workload::cpu(demand, Amount::UNLIMITED), ms(100));
    let meter = node.meter(Slot(0)).unwrap();
    // Done at 10, 11, 20 and 21.
    let ends: Vec<_> = meter
        .latencies()
        .unwrap()
        .iter_recorded()
        .map(|value| (value.value_iterated_to() / 100, value.count_at_value()))
        .collect();
    let (sum, count) = ends.iter().fold((0, 0), |(sum, count), (value, times)| {
        (sum + value * times, count + times)
    });
    assert_eq!((count, meter.used()), (4, ms(40)));
    assert!((555..=565).contains(&sum), "{ends:?}");
    assert_eq!(meter.mean_delay(), ms(9));
}
