//! Weight alone shares a simulated CPU out.

use trimtab_core::decide::{Bounds, Entitlement, Policy, Priority, Settings};
use trimtab_core::node::{Demand, Own, Trimtab, Workload};
use trimtab_core::signal::{Amount, Resource, Slot};

use crate::support::{ms, node, quota, run};

#[test]
fn who_goes_first_gets_the_cpu_and_nobody_is_throttled() {
    let entitled = [
        (Priority::High, 300),
        (Priority::High, 100),
        (Priority::Low, 100),
    ];
    let own = entitled.map(|(priority, weight)| {
        Some(Own {
            policy: Policy::default(),
            entitlement: Entitlement { weight, priority },
            bounds: [Some(Bounds::of(Resource::Cpu)), None],
            by_weight: true,
        })
    });
    let greedy = || Workload::cpu(Demand::steady(Amount::CPU, 1), quota(10));
    let mut node = node(1, [greedy(), greedy(), greedy()]);
    let mut ours = Trimtab::new(Settings::default(), own.into());
    run(&mut node, &mut ours, ms(60_000));
    let meter = |slot| node.meter(Slot(slot)).unwrap();
    let [first, second, last] = [0, 1, 2].map(|slot| meter(slot).used().0);
    assert_eq!(first / second, 3, "{first} and {second}");
    assert!(last * 1_000 < first, "{last} beside {first}");
    let throttled = [0, 1, 2].map(|slot| meter(slot).throttled_periods());
    assert_eq!(throttled, [0; 3]);
}
