//! Siblings, parents, and a node that is full.

use trimtab_core::node::{Demand, MemoryDemand, Workload};
use trimtab_core::signal::{Amount, Slot};

use crate::support::{Still, ms, node, quota, run};

fn spinner(weight: u64) -> Workload {
    Workload {
        weight,
        ..Workload::cpu(Demand::steady(Amount::CPU, 1), Amount::UNLIMITED)
    }
}

#[test]
fn weights_divide_a_full_node() {
    let mut node = node(1, [spinner(100), spinner(300)]);
    run(&mut node, &mut Still, ms(1_000));
    let [light, heavy] = [0, 1].map(|slot| node.meter(Slot(slot)).unwrap());
    assert_eq!((light.used(), heavy.used()), (ms(250), ms(750)));
    assert_eq!((light.waited(), heavy.waited()), (ms(750), ms(250)));
    assert_eq!(light.shortfall(), ms(750));
    assert_eq!(node.seen().cpu_used, ms(1_000));
}

#[test]
fn what_a_throttled_sibling_leaves_is_for_the_others() {
    let capped = Workload {
        cpu_limit: quota(10),
        ..spinner(100)
    };
    let mut node = node(1, [capped, spinner(100)]);
    run(&mut node, &mut Still, ms(1_000));
    let [capped, other] = [0, 1].map(|slot| node.meter(Slot(slot)).unwrap());
    // Both run at half speed for 20 ms of each period.
    assert_eq!((capped.used(), other.used()), (ms(100), ms(900)));
    assert_eq!((capped.throttled(), capped.waited()), (ms(800), ms(100)));
}

#[test]
fn arrears_are_made_up_when_the_neighbour_is_done() {
    let neighbour = Workload {
        end: Some(ms(500)),
        ..spinner(100)
    };
    let half = Workload::cpu(Demand::steady(Amount(600_000), 1), Amount::UNLIMITED);
    let mut node = node(1, [neighbour, half]);
    run(&mut node, &mut Still, ms(500));
    assert_eq!(node.meter(Slot(1)).unwrap().backlog(), ms(50));
    // 50 ms of arrears are made up at 0.4 CPUs.
    run(&mut node, &mut Still, ms(624));
    assert!(node.meter(Slot(1)).unwrap().backlog() > ms(0));
    run(&mut node, &mut Still, ms(625));
    assert_eq!(node.meter(Slot(1)).unwrap().backlog(), ms(0));
    run(&mut node, &mut Still, ms(1_000));
    assert_eq!(node.meter(Slot(1)).unwrap().used(), ms(600));
}

#[test]
fn a_parents_quota_limits_its_children() {
    let parent = Workload {
        cpu_limit: quota(20),
        ..Workload::default()
    };
    let mut node = node(
        2,
        [
            parent,
            spinner(100).below(Slot(0)),
            spinner(100).below(Slot(0)),
        ],
    );
    run(&mut node, &mut Still, ms(1_000));
    let [parent, one, other] = [0, 1, 2].map(|slot| node.meter(Slot(slot)).unwrap());
    assert_eq!(
        (one.used(), other.used(), parent.used()),
        (ms(100), ms(100), ms(200))
    );
    assert_eq!((parent.periods(), parent.throttled_periods()), (10, 10));
    assert_eq!(
        (parent.throttled_wall(), parent.throttled()),
        (ms(900), ms(1_800))
    );
    assert_eq!((one.throttled(), one.throttled_periods()), (ms(0), 0));
    assert_eq!(one.shortfall(), ms(900));
}

#[test]
fn a_child_may_be_limited_below_its_parent() {
    let parent = Workload {
        cpu_limit: quota(20),
        ..Workload::default()
    };
    let child = Workload {
        cpu_limit: quota(5),
        ..spinner(100).below(Slot(0))
    };
    let mut node = node(2, [parent, child, spinner(100).below(Slot(0))]);
    run(&mut node, &mut Still, ms(1_000));
    let [parent, child, other] = [0, 1, 2].map(|slot| node.meter(Slot(slot)).unwrap());
    assert_eq!((child.used(), other.used()), (ms(50), ms(150)));
    assert_eq!(
        (child.throttled_wall(), parent.throttled_wall()),
        (ms(950), ms(850))
    );
}

#[test]
fn weights_hold_within_each_parent() {
    let slice = |weight| Workload {
        weight,
        ..Workload::default()
    };
    let below = |parent, weight| spinner(weight).below(Slot(parent));
    let mut node = node(
        1,
        [
            slice(100),
            slice(100),
            below(0, 100),
            below(0, 300),
            below(1, 100),
        ],
    );
    run(&mut node, &mut Still, ms(800));
    let used = [0, 1, 2, 3, 4].map(|slot| node.meter(Slot(slot)).unwrap().used());
    assert_eq!(used, [ms(400), ms(400), ms(100), ms(300), ms(400)]);
}

#[test]
fn workloads_come_and_go() {
    let first = Workload {
        start: ms(200),
        end: Some(ms(700)),
        cpu_limit: quota(10),
        ..spinner(100)
    };
    let mut node = node(2, [first]);
    // The present moment is also the end of a throttled period.
    run(&mut node, &mut Still, ms(300));
    let second = node.add(spinner(100));
    run(&mut node, &mut Still, ms(1_000));
    let [first, second] = [Slot(0), second].map(|slot| node.meter(slot).unwrap());
    assert_eq!(
        (first.time(), first.used(), first.throttled()),
        (ms(500), ms(50), ms(450))
    );
    assert_eq!((first.wanted(), first.lost()), (ms(500), ms(450)));
    assert_eq!((second.time(), second.used()), (ms(700), ms(700)));
}

#[test]
fn who_is_away_when_its_end_comes_does_not_return() {
    let killed = Workload {
        end: Some(ms(100)),
        restart: ms(200),
        memory: Some(MemoryDemand::steady(Amount(200 << 20), Amount::ZERO)),
        memory_limit: Amount(100 << 20),
        ..Workload::default()
    };
    let mut node = node(1, [killed, spinner(100)]);
    run(&mut node, &mut Still, ms(1_000));
    let [killed, other] = [0, 1].map(|slot| node.meter(Slot(slot)).unwrap());
    assert_eq!(
        (killed.oom_kills(), killed.restarts(), killed.time()),
        (1, 0, ms(100))
    );
    assert_eq!(other.used(), ms(1_000));
}
