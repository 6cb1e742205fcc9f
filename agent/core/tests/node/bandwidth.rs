//! Quota, burst and throttling of one group.

use trimtab_core::node::{Arrivals, Demand, Meter, Service, Workload};
use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

use crate::support::{alone, ms, quota};

fn meter(workload: Workload, until: u64) -> Meter {
    let node = alone(workload, ms(until));
    node.meter(Slot(0)).cloned().unwrap_or_default()
}

#[test]
fn a_thread_that_always_runs_is_throttled_for_the_rest_of_each_period() {
    let spinner = Workload::cpu(Demand::steady(Amount::CPU, 1), quota(10));
    let meter = meter(spinner, 1_000);
    assert_eq!(meter.used(), ms(100));
    assert_eq!(
        (meter.throttled(), meter.throttled_wall()),
        (ms(900), ms(900))
    );
    assert_eq!((meter.periods(), meter.throttled_periods()), (10, 10));
    assert_eq!((meter.shortfall(), meter.backlog()), (ms(900), ms(900)));
    assert_eq!(meter.mean_limit(Resource::Cpu), quota(10));
    assert_eq!(meter.mean_use(Resource::Cpu), quota(10));
}

#[test]
fn threads_on_several_cpus_are_throttled_on_each() {
    let spinner = Workload::cpu(Demand::wave(Nanos::MINUTE, Nanos::MINUTE, 2), quota(10));
    let meter = meter(spinner, 1_000);
    assert_eq!(meter.used(), ms(100));
    assert_eq!(meter.throttled_wall(), ms(950));
    assert_eq!(meter.throttled(), ms(1_900));
}

#[test]
fn use_below_the_quota_is_never_throttled() {
    let steady = Workload::cpu(Demand::steady(quota(9), 1), quota(10));
    let meter = meter(steady, 60_000);
    assert_eq!(meter.used(), ms(5_400));
    assert_eq!((meter.periods(), meter.throttled_periods()), (600, 0));
    assert_eq!((meter.throttled(), meter.shortfall()), (ms(0), ms(0)));
}

#[test]
fn what_was_held_back_is_done_later() {
    // 20 ms at once, 80 ms of throttling, 10 ms.
    let wave = Workload::cpu(Demand::wave(ms(200), ms(30), 1), quota(20));
    let meter = meter(wave, 1_000);
    assert_eq!(meter.used(), ms(150));
    assert_eq!(meter.throttled(), ms(400));
    assert_eq!((meter.throttled_periods(), meter.answered()), (5, 5));
    let latency = meter.latency(1000).unwrap();
    assert!(latency.0.abs_diff(ms(110).0) < ms(1).0, "{latency:?}");
}

#[test]
fn unused_quota_is_carried_over_up_to_the_burst() {
    let wave = |every, each, burst| {
        let setup = Workload {
            burst: ms(burst),
            ..Workload::cpu(Demand::wave(ms(every), ms(each), 1), quota(10))
        };
        let meter = meter(setup, 1_200);
        (meter.throttled(), meter.throttled_periods())
    };
    // 10 + 8, then 15 + 3, then 18 at once; of the last slice the CPU keeps 1 for the next time.
    assert_eq!(wave(200, 18, 0), (ms(90 + 5 * 89), 6));
    assert_eq!(wave(200, 18, 5), (ms(85 + 5 * 84), 6));
    assert_eq!(wave(200, 18, 10), (ms(0), 0));
    // 20 + 10 + 5: what is left after the third is there again at the fifth, but no more than the burst.
    assert_eq!(wave(400, 35, 10), (ms(3 * (80 + 90)), 6));
    // A burst beyond the quota is cut, as the kernel would refuse it.
    assert_eq!(wave(400, 35, 50), (ms(3 * (80 + 90)), 6));
}

#[test]
fn a_group_that_sleeps_does_not_save_for_ever() {
    // The timer stops after an idle period: what waits for ten seconds finds the burst and no more.
    let once = Workload {
        burst: ms(10),
        ..Workload::cpu(
            Demand::Requests {
                arrivals: Arrivals::Given(vec![ms(10_000)]),
                service: Service::Fixed(ms(25)),
                threads: 1,
            },
            quota(10),
        )
    };
    let meter = meter(once, 10_200);
    assert_eq!((meter.throttled(), meter.used()), (ms(80), ms(25)));
    // Two while nothing ran after the start, two since.
    assert_eq!((meter.periods(), meter.throttled_periods()), (4, 1));
}

#[test]
fn the_phase_of_periods_shifts_what_is_throttled() {
    let wave = |phase| Workload {
        phase: ms(phase),
        ..Workload::cpu(Demand::wave(ms(100), ms(12), 1), quota(10))
    };
    // A period begins 5 ms after the first burst does: it has two of them.
    let mut cut = meter(wave(5), 100);
    assert_eq!(cut.throttled(), ms(0));
    cut = meter(wave(0), 90);
    assert_eq!(cut.throttled(), ms(80));
}

#[test]
fn a_series_repeats_and_delays_add_up() {
    let series = Demand::Series {
        steps: vec![(ms(0), Amount(2_000_000)), (ms(100), Amount(0))],
        repeat: Some(ms(1_000)),
        threads: 2,
    };
    // 200 ms of work at 50 ms a period: 25 ms of running and 75 of throttling, four times.
    let meter = meter(Workload::cpu(series, quota(50)), 2_000);
    assert_eq!((meter.wanted(), meter.used()), (ms(400), ms(400)));
    assert_eq!(meter.throttled_wall(), ms(2 * 3 * 75));
    // It is done as fast as it comes, but 0, 75, 150 and 225 ms later.
    assert_eq!(meter.mean_delay(), Nanos(112_500_000));
}

/// Requests of so many ms at these, in ms.
fn requests(at: &[u64], each: u64, threads: u32) -> Demand {
    Demand::Requests {
        arrivals: Arrivals::Given(at.iter().map(|at| ms(*at)).collect()),
        service: Service::Fixed(ms(each)),
        threads,
    }
}

#[test]
fn what_a_cpu_has_drawn_outlives_the_period() {
    // 3 ms of a slice of 5 before the refill: 2 beside the next period's quota, throttled after 15 ms.
    let late = Workload {
        phase: ms(3),
        ..Workload::cpu(requests(&[0], 25, 1), quota(10))
    };
    let meter = meter(late, 300);
    assert_eq!(meter.throttled(), ms(103 - 15));
    assert_eq!(meter.throttled_periods(), 1);
}

#[test]
fn what_a_cpu_keeps_when_it_idles_is_used_first() {
    // 2 ms of a slice of 5: 2 go back, 1 is kept beside the next period's quota; 12 ms are one too many.
    let at = [0, 150, 150, 150, 150, 150, 150];
    let meter = meter(Workload::cpu(requests(&at, 2, 1), quota(10)), 300);
    assert_eq!(meter.throttled(), ms(200 - 161));
}

#[test]
fn what_an_idle_cpu_keeps_is_missing_elsewhere() {
    let throttled = |threads| {
        let setup = Workload::cpu(requests(&[0, 0, 20], 2, threads), quota(6));
        meter(setup, 100).throttled()
    };
    assert_eq!(throttled(1), ms(0));
    // Each CPU has 1 ms left and keeps it: the third request finds 1 of 2.
    assert_eq!(throttled(2), ms(100 - 21));
}

#[test]
fn small_requests_live_on_what_was_kept_and_the_timer_rests() {
    let demand = Demand::Requests {
        arrivals: Arrivals::Given([0, 1_000, 2_000, 3_000].map(ms).to_vec()),
        service: Service::Fixed(Nanos(300_000)),
        threads: 1,
    };
    let meter = meter(Workload::cpu(demand, quota(10)), 3_900);
    // 1 ms is kept of the first one's slice, which is more than the three others need.
    assert_eq!((meter.periods(), meter.used()), (2, Nanos(1_200_000)));
}
