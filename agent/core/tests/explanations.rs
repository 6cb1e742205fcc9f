//! Every kind of reason as a sentence, and one as data.

use insta::assert_snapshot;
use trimtab_core::decide::reason::{Clamp, Guard, Input, Otherwise, Reason, Rule};
use trimtab_core::decide::{Entitlement, Objective, Priority, Quantity, Rivalry, explain};
use trimtab_core::model::Pattern;
use trimtab_core::signal::{Amount, Cause, Denial, Event, Nanos, Resource, Slot, Spend};

fn spend(resource: Resource, cause: Cause, from: u64, to: u64) -> Spend {
    let event = Event {
        time: Nanos(1),
        slot: Slot(1),
        resource,
        cause,
        held: Amount(from),
        used: Amount::ZERO,
        headroom: Amount::UNLIMITED,
    };
    Spend {
        seq: 1,
        epoch: 1,
        event,
        from: Amount(from),
        to: Amount(to),
        granted: Amount::ZERO,
        pool_left: Amount(1_250_000),
        burst: 1,
        denial: None,
    }
}

fn denied(resource: Resource, cause: Cause, limit: u64, denial: Denial) -> String {
    let spend = Spend {
        denial: Some(denial),
        burst: 0,
        ..spend(resource, cause, limit, limit)
    };
    explain(&spend).to_string()
}

#[test]
fn lifts() {
    let first = Spend {
        granted: Amount(100_000),
        ..spend(Resource::Cpu, Cause::QuotaNear, 100_000, 200_000)
    };
    assert_snapshot!(explain(&first), @"cpu 0.10 CPU -> 0.20 CPU: first lift of a burst: the period's quota was nearly spent, granted 0.10 CPU, pool left 1.25 CPU; without this it would be throttled at 0.10 CPU until the period ends");
    let free = Spend {
        burst: 2,
        ..spend(Resource::Cpu, Cause::ThrottledWaking, 200_000, 1_500_000)
    };
    assert_snapshot!(explain(&free), @"cpu 0.20 CPU -> 1.50 CPU: further lift of a burst: throttled while waking; without this it would be throttled at 0.20 CPU until the period ends");
    let mut memory = spend(Resource::Memory, Cause::MemoryNear, 64 << 20, 128 << 20);
    memory.event.used = Amount(49 << 20);
    memory.event.headroom = Amount(3 << 30);
    memory.granted = Amount(64 << 20);
    memory.pool_left = Amount(5 << 30);
    assert_snapshot!(explain(&memory), @"memory 64 MiB -> 128 MiB: first lift of a burst: memory was nearly full, use 49 MiB, node left 3 GiB, granted 64 MiB, pool left 5 GiB; without this it would be reclaimed from or killed at 64 MiB");
}

#[test]
fn refusals() {
    assert_snapshot!(denied(Resource::Cpu, Cause::ThrottledRunning, 100_000, Denial::PoolEmpty), @"cpu stays at 0.10 CPU: throttled while running, pool left 1.25 CPU; refused: the pool has nothing left that is worth a write; so it may be throttled at 0.10 CPU until the period ends");
    assert_snapshot!(denied(Resource::Memory, Cause::MemoryNear, 128 << 20, Denial::Ceiling), @"memory stays at 128 MiB: memory was nearly full, use 0 B; refused: the ceiling is reached; so it may be reclaimed from or killed at 128 MiB");
    assert_snapshot!(denied(Resource::Memory, Cause::MemoryNear, 64 << 20, Denial::Reclaimable), @"memory stays at 64 MiB: memory was nearly full, use 0 B; refused: what fills it is page cache, which can be dropped");
    assert_snapshot!(denied(Resource::Cpu, Cause::QuotaNear, 77_000, Denial::Foreign), @"cpu stays at 0.077 CPU: the period's quota was nearly spent, the kernel holds 0.077 CPU; refused: somebody else has written the limit; with a write 0.077 CPU would be overwritten");
    assert_snapshot!(denied(Resource::Cpu, Cause::Twin, 50_000, Denial::LimitedAbove), @"cpu stays at 0.05 CPU: counters moved during the last tick; refused: a level above is the one that limits");
    assert_snapshot!(denied(Resource::Cpu, Cause::Twin, 50_000, Denial::NotEnforced), @"cpu stays at 0.05 CPU: counters moved during the last tick; refused: limits are not enforced here; so it may be throttled at 0.05 CPU until the period ends");
}

fn trim() -> Reason {
    Reason {
        resource: Resource::Cpu,
        from: Amount(1_000_000),
        to: Amount(500_000),
        rule: Rule::Trim,
        inputs: vec![
            Input::Percentile {
                percent: 95,
                window: Nanos::MINUTE,
                amount: Amount(190_000),
            },
            Input::Margin(20),
            Input::Use(Amount(170_500)),
        ],
        clamps: vec![Clamp {
            guard: Guard::LargestCut,
            from: Amount(228_000),
            to: Amount(500_000),
        }],
        denial: None,
        otherwise: Otherwise::Idle(Amount(500_000)),
    }
}

#[test]
fn decisions() {
    assert_snapshot!(trim(), @"cpu 1.00 CPU -> 0.50 CPU: need and margin are below the limit: p95 of 60 s is 0.19 CPU, margin 20 %, use 0.17 CPU; bounded from 0.228 CPU to 0.50 CPU by the largest cut; without this 0.50 CPU would stay held and unused");
    let undo = Reason {
        from: Amount(360_000),
        to: Amount(640_000),
        rule: Rule::Undo,
        inputs: vec![
            Input::Cut {
                from: Amount(500_000),
                to: Amount(360_000),
                ago: Nanos(1_500_000_000),
            },
            Input::Throttled {
                periods: 4,
                of: 100,
            },
            Input::Use(Amount(360_000)),
        ],
        clamps: Vec::new(),
        otherwise: Otherwise::Throttled(Amount(360_000)),
        ..trim()
    };
    assert_snapshot!(undo, @"cpu 0.36 CPU -> 0.64 CPU: the last trim hurt and is given back twice: trimmed from 0.50 CPU to 0.36 CPU 1.5 s ago, 4 of 100 periods throttled, use 0.36 CPU; without this it would be throttled at 0.36 CPU until the period ends");
    let refaults = Reason {
        resource: Resource::Memory,
        from: Amount(240 << 20),
        to: Amount(784 << 20),
        rule: Rule::Undo,
        inputs: vec![
            Input::Cut {
                from: Amount(512 << 20),
                to: Amount(240 << 20),
                ago: Nanos(2 * Nanos::SECOND.0),
            },
            Input::Short {
                refaults: 41,
                stalled: Nanos(12 * Nanos::MILLI.0),
            },
            Input::Use(Amount(200 << 20)),
        ],
        clamps: Vec::new(),
        otherwise: Otherwise::Killed(Amount(240 << 20)),
        ..trim()
    };
    assert_snapshot!(refaults, @"memory 240 MiB -> 784 MiB: the last trim hurt and is given back twice: trimmed from 512 MiB to 240 MiB 2 s ago, 41 pages came back and 12 ms were lost to stalls, use 200 MiB; without this it would be reclaimed from or killed at 240 MiB");
    let grow = Reason {
        from: Amount(1_000_000),
        to: Amount(1_500_000),
        rule: Rule::Grow,
        inputs: vec![Input::Utilisation {
            percent: 97,
            threshold: 90,
            lasted: Nanos(3 * Nanos::SECOND.0),
        }],
        clamps: Vec::new(),
        otherwise: Otherwise::Throttled(Amount(1_000_000)),
        ..trim()
    };
    assert_snapshot!(grow, @"cpu 1.00 CPU -> 1.50 CPU: utilisation stayed high: utilisation 97 % against 90 % for 3 s; without this it would be throttled at 1.00 CPU until the period ends");
    let recall = Reason {
        from: Amount(2_000_000),
        to: Amount(1_100_000),
        rule: Rule::Recall,
        inputs: vec![
            Input::Lent(Amount(1_900_000)),
            Input::Use(Amount(1_000_000)),
        ],
        clamps: vec![Clamp {
            guard: Guard::Use,
            from: Amount(100_000),
            to: Amount(1_100_000),
        }],
        otherwise: Otherwise::Withheld(Amount(900_000)),
        ..trim()
    };
    assert_snapshot!(recall, @"cpu 2.00 CPU -> 1.10 CPU: the pool is short and this loan is idle: lent 1.90 CPU, use 1.00 CPU; bounded from 0.10 CPU to 1.10 CPU by present use; without this nobody else could have 0.90 CPU");
}

#[test]
fn what_is_foreseen() {
    let ahead = |pattern, margin| Reason {
        from: Amount(240_000),
        to: Amount(720_000),
        rule: Rule::Ahead,
        inputs: vec![
            Input::Foreseen {
                expected: Amount(600_000),
                upper: Amount(630_000),
                within: Nanos::MINUTE,
                pattern,
            },
            Input::Margin(margin),
            Input::Use(Amount(200_000)),
        ],
        clamps: Vec::new(),
        otherwise: Otherwise::Throttled(Amount(240_000)),
        ..trim()
    };
    assert_snapshot!(ahead(Pattern::Hour, 20), @"cpu 0.24 CPU -> 0.72 CPU: need is about to exceed the limit: 0.60 CPU within 60 s, at most 0.63 CPU, foreseen from this minute of other hours, margin 20 %, use 0.20 CPU; without this it would be throttled at 0.24 CPU until the period ends");
    assert_snapshot!(ahead(Pattern::Day, 20), @"cpu 0.24 CPU -> 0.72 CPU: need is about to exceed the limit: 0.60 CPU within 60 s, at most 0.63 CPU, foreseen from this time of other days, margin 20 %, use 0.20 CPU; without this it would be throttled at 0.24 CPU until the period ends");
    let kept = Reason {
        from: Amount(2_000_000),
        to: Amount(720_000),
        rule: Rule::Trim,
        otherwise: Otherwise::Idle(Amount(1_280_000)),
        ..ahead(Pattern::Trend, 30)
    };
    assert_snapshot!(kept, @"cpu 2.00 CPU -> 0.72 CPU: need and margin are below the limit: 0.60 CPU within 60 s, at most 0.63 CPU, foreseen from its trend, margin 30 %, use 0.20 CPU; without this 1.28 CPU would stay held and unused");
}

#[test]
fn a_latency_objective() {
    let attained = |late, objective| Input::Attained {
        late,
        of: 1_600,
        objective,
    };
    let requests = Objective::Requests(Nanos(50 * Nanos::MILLI.0));
    let late = Reason {
        from: Amount(1_000_000),
        to: Amount(1_500_000),
        rule: Rule::Late,
        inputs: vec![
            Input::Throttled {
                periods: 7,
                of: 100,
            },
            attained(48, requests),
            Input::Use(Amount(980_000)),
        ],
        clamps: Vec::new(),
        otherwise: Otherwise::Throttled(Amount(1_000_000)),
        ..trim()
    };
    assert_snapshot!(late, @"cpu 1.00 CPU -> 1.50 CPU: the latency objective was missed: 7 of 100 periods throttled, 48 of 1600 requests took longer than 50 ms, use 0.98 CPU; without this it would be throttled at 1.00 CPU until the period ends");
    let trimmed = Reason {
        from: Amount(2_000_000),
        to: Amount(1_200_000),
        rule: Rule::Trim,
        inputs: vec![
            Input::Percentile {
                percent: 95,
                window: Nanos::MINUTE,
                amount: Amount(1_000_000),
            },
            Input::Margin(20),
            attained(1, Objective::Waits(Nanos(5 * Nanos::MILLI.0))),
            Input::Own(Amount(945_000)),
            Input::Use(Amount(900_000)),
        ],
        otherwise: Otherwise::Idle(Amount(800_000)),
        ..late
    };
    assert_snapshot!(trimmed, @"cpu 2.00 CPU -> 1.20 CPU: need and margin are below the limit: p95 of 60 s is 1.00 CPU, margin 20 %, 1 of 1600 waits for a CPU took longer than 5 ms, 0.945 CPU of it held, use 0.90 CPU; without this 0.80 CPU would stay held and unused");
}

#[test]
fn what_applications_are_to_see() {
    let clamp = |from, to| Clamp {
        guard: Guard::Visible,
        from: Amount(from),
        to: Amount(to),
    };
    let cpu = Reason {
        from: Amount(4_000_000),
        to: Amount(2_000_000),
        clamps: vec![clamp(228_000, 2_000_000)],
        otherwise: Otherwise::Idle(Amount(2_000_000)),
        ..trim()
    };
    assert_snapshot!(cpu, @"cpu 4.00 CPU -> 2.00 CPU: need and margin are below the limit: p95 of 60 s is 0.19 CPU, margin 20 %, use 0.17 CPU; bounded from 0.228 CPU to 2.00 CPU by the least that applications are to see; without this 2.00 CPU would stay held and unused");
    let memory = Reason {
        resource: Resource::Memory,
        from: Amount(4 << 30),
        to: Amount(2 << 30),
        inputs: vec![Input::WorkingSet {
            percent: 100,
            window: Nanos::MINUTE,
            amount: Amount(300 << 20),
        }],
        clamps: vec![clamp(420 << 20, 2 << 30)],
        otherwise: Otherwise::Idle(Amount(2 << 30)),
        ..trim()
    };
    assert_snapshot!(memory, @"memory 4 GiB -> 2 GiB: need and margin are below the limit: p100 of the working set of 60 s is 300 MiB; bounded from 420 MiB to 2 GiB by the least that applications are to see; without this 2 GiB would stay held and unused");
}

#[test]
fn quantities() {
    let show = |resource, amount| Quantity(resource, Amount(amount)).to_string();
    let shown = [
        show(Resource::Cpu, 0),
        show(Resource::Cpu, 55_000),
        show(Resource::Cpu, 12_500_000),
        show(Resource::Cpu, u64::MAX),
        show(Resource::Memory, 512),
        show(Resource::Memory, 4096),
        show(Resource::Memory, 1_610_612_736),
    ];
    assert_snapshot!(shown.join(", "), @"0.00 CPU, 0.055 CPU, 12.50 CPU, unlimited, 512 B, 4 KiB, 1.5 GiB");
}

#[test]
fn reasons_are_data() {
    assert_snapshot!(serde_json::to_string_pretty(&trim()).unwrap(), @r#"
    {
      "resource": "cpu",
      "from": 1000000,
      "to": 500000,
      "rule": "trim",
      "inputs": [
        {
          "percentile": {
            "percent": 95,
            "window": 60000000000,
            "amount": 190000
          }
        },
        {
          "margin": 20
        },
        {
          "use": 170500
        }
      ],
      "clamps": [
        {
          "guard": "largest-cut",
          "from": 228000,
          "to": 500000
        }
      ],
      "denial": null,
      "otherwise": {
        "idle": 500000
      }
    }
    "#);
    let back: Reason = serde_json::from_str(&serde_json::to_string(&trim()).unwrap()).unwrap();
    assert_eq!(back, trim());
}

#[test]
fn rivals() {
    let stands = |weight, priority| Entitlement { weight, priority };
    let said = |theirs, ours| {
        Rivalry {
            name: "web",
            theirs,
            ours,
        }
        .to_string()
    };
    let normal = stands(100, Priority::Normal);
    assert_snapshot!(said(stands(1, Priority::High), normal), @"node is full; web (priority high) goes first");
    assert_snapshot!(said(stands(300, Priority::Normal), normal), @"node is full; web has its share (weight 300 beside 100)");
    assert_snapshot!(said(stands(100, Priority::Low), normal), @"node is full; web (priority low) keeps what it uses");
}
