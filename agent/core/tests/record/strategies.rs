//! Random things to record: like a host's from one second to the next, or like nothing at all.

use proptest::prelude::*;
use proptest::sample::select;
use trimtab_core::decide::{
    Bounds, CalledIn, Entitlement, GiveBack, Headroom, Objective, Policy, Predictive, Priority,
    Record, Refusal, Settings, Settled, Slo, Synced, Threshold, WorkloadSpec,
};
use trimtab_core::record::{Call, Origin};
use trimtab_core::signal::{
    Amount, Cause, Delay, Denial, Event, Mode, Nanos, Resource, Slot, Spend,
};
use trimtab_core::snapshot::{
    CpuSignals, LatencySignals, MemorySignals, NodeSignals, Snapshot, WorkloadSignals,
};

/// Few values that come again, many that are small, pages, and all others.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        1 => Just(u64::MAX),
        3 => 0..200_u64,
        3 => (0..1_u64 << 20).prop_map(|pages| pages * 4096),
        1 => any::<u64>(),
    ]
}

fn amount() -> impl Strategy<Value = Amount> {
    number().prop_map(Amount)
}

fn nanos() -> impl Strategy<Value = Nanos> {
    number().prop_map(Nanos)
}

fn slot() -> impl Strategy<Value = Slot> {
    (0..40_u32).prop_map(Slot)
}

fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![Just(Resource::Cpu), Just(Resource::Memory)]
}

fn cpu() -> impl Strategy<Value = CpuSignals> {
    proptest::array::uniform7(number()).prop_map(
        |[
            used,
            held,
            period_us,
            periods,
            throttled,
            throttled_ns,
            wait_ns,
        ]| CpuSignals {
            used: Amount(used),
            held: Amount(held),
            period_us,
            periods,
            throttled,
            throttled_ns,
            wait_ns,
        },
    )
}

fn memory() -> impl Strategy<Value = MemorySignals> {
    proptest::array::uniform10(number()).prop_map(
        |[
            used,
            anonymous,
            inactive_file,
            held,
            hard,
            high,
            oom,
            oom_kill,
            refaults,
            stalled_ns,
        ]| MemorySignals {
            used: Amount(used),
            anonymous: Amount(anonymous),
            inactive_file: Amount(inactive_file),
            held: Amount(held),
            hard: Amount(hard),
            high,
            oom,
            oom_kill,
            refaults,
            stalled_ns,
        },
    )
}

fn node() -> impl Strategy<Value = NodeSignals> {
    proptest::array::uniform5(amount()).prop_map(
        |[
            capacity,
            unmanaged_cpu,
            memory_total,
            memory_available,
            unmanaged_memory,
        ]| NodeSignals {
            capacity,
            unmanaged_cpu,
            memory_total,
            memory_available,
            unmanaged_memory,
        },
    )
}

fn workload() -> impl Strategy<Value = WorkloadSignals> {
    let cpu = proptest::option::of(cpu());
    let memory = proptest::option::of(memory());
    let latency = (number(), number()).prop_map(|(count, late)| LatencySignals { count, late });
    let latency = proptest::option::of(latency);
    (slot(), cpu, memory, latency).prop_map(|(slot, cpu, memory, latency)| WorkloadSignals {
        slot,
        cpu,
        memory,
        latency,
    })
}

/// A snapshot of anything, even of slots that come twice or in no order.
pub(crate) fn snapshot() -> impl Strategy<Value = (Nanos, Snapshot)> {
    let workloads = proptest::collection::vec(workload(), 0..12);
    (nanos(), nanos(), nanos(), any::<bool>(), node(), workloads).prop_map(
        |(now, time, elapsed, usual, node, mut workloads)| {
            if usual {
                workloads.sort_by_key(|workload| workload.slot);
                workloads.dedup_by_key(|workload| workload.slot);
            }
            let snapshot = Snapshot {
                time: if usual { now } else { time },
                elapsed,
                node,
                workloads,
            };
            (now, snapshot)
        },
    )
}

fn settled() -> impl Strategy<Value = Settled> {
    let refusal = proptest::option::of(prop_oneof![
        Just(Refusal::Superseded),
        Just(Refusal::WriteFailed)
    ]);
    let amounts = proptest::array::uniform3(amount());
    (
        number(),
        nanos(),
        slot(),
        resource(),
        any::<u32>(),
        amounts,
        number(),
        refusal,
    )
        .prop_map(
            |(seq, time, slot, resource, epoch, [from, to, pool_left], envelope_seq, refusal)| {
                Settled {
                    seq,
                    time,
                    slot,
                    resource,
                    epoch,
                    from,
                    to,
                    envelope_seq,
                    pool_left,
                    refusal,
                }
            },
        )
}

/// Of any cause, answered in any way; often like the one before.
pub(crate) fn spend() -> impl Strategy<Value = Spend> {
    let slot = prop_oneof![9 => slot(), 1 => any::<u32>().prop_map(Slot)];
    let epoch = prop_oneof![3 => Just(1), 1 => any::<u32>()];
    let burst = prop_oneof![3 => Just(0), 1 => any::<u32>()];
    let amounts = proptest::array::uniform7(amount());
    let answer = (
        select(&Cause::ALL),
        proptest::option::of(select(&Denial::ALL)),
    );
    let who = (nanos(), slot, resource(), answer);
    (number(), epoch, who, amounts, burst).prop_map(
        |(seq, epoch, (time, slot, resource, (cause, denial)), amounts, burst)| {
            let [held, used, headroom, from, to, granted, pool_left] = amounts;
            Spend {
                seq,
                epoch,
                event: Event {
                    time,
                    slot,
                    resource,
                    cause,
                    held,
                    used,
                    headroom,
                },
                from,
                to,
                granted,
                pool_left,
                burst,
                denial,
            }
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let delay = (
        nanos(),
        slot(),
        amount(),
        proptest::option::of(slot()),
        nanos(),
    );
    let called = (settled(), delay, nanos()).prop_map(
        |(settled, (time, slot, held, waiting, waited), barred)| {
            Record::CalledIn(CalledIn {
                settled,
                delay: Delay {
                    time,
                    slot,
                    held,
                    waiting,
                    waited,
                },
                barred,
            })
        },
    );
    let synced = (slot(), resource(), any::<u32>(), amount(), number()).prop_map(
        |(slot, resource, epoch, limit, envelope_seq)| {
            Record::Synced(Synced {
                slot,
                resource,
                epoch,
                limit,
                envelope_seq,
            })
        },
    );
    prop_oneof![
        spend().prop_map(Record::Spend),
        settled().prop_map(Record::Settled),
        settled().prop_map(Record::Recalled),
        called,
        synced,
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        (1..100_u32).prop_map(|percentile| Policy::Headroom(Headroom {
            percentile,
            ..Headroom::default()
        })),
        (1..100_u32).prop_map(|coverage| Policy::Predictive(Predictive {
            coverage,
            ..Predictive::default()
        })),
        (1..100_u32).prop_map(|high| Policy::Threshold(Threshold {
            high,
            ..Threshold::default()
        })),
        (nanos(), any::<bool>()).prop_map(|(within, requests)| Policy::Slo(Slo {
            objective: if requests {
                Objective::Requests(within)
            } else {
                Objective::Waits(within)
            },
            ..Slo::default()
        })),
    ]
}

fn bounds() -> impl Strategy<Value = [Option<Bounds>; 2]> {
    proptest::array::uniform2(proptest::option::of(
        (amount(), amount(), proptest::option::of(1..100_u32)).prop_map(
            |(floor, visible, percentile)| Bounds {
                floor,
                visible,
                give_back: percentile.map(|percentile| GiveBack {
                    percentile,
                    ..GiveBack::default()
                }),
                ..Bounds::default()
            },
        ),
    ))
}

fn entitlement() -> impl Strategy<Value = Entitlement> {
    let priority = select(Priority::DESCENDING.to_vec());
    (1..=Entitlement::HEAVIEST, priority)
        .prop_map(|(weight, priority)| Entitlement { weight, priority })
}

fn spec() -> impl Strategy<Value = WorkloadSpec> {
    let amounts = proptest::array::uniform4(amount());
    (
        ".{0,20}",
        proptest::option::of(slot()),
        policy(),
        entitlement(),
        nanos(),
        amounts,
        number(),
        bounds(),
    )
        .prop_map(
            |(name, parent, policy, entitlement, born, amounts, period_us, bounds)| {
                let [cpu, memory, cpu_now, memory_now] = amounts;
                WorkloadSpec {
                    name,
                    parent,
                    mode: Mode::Enforce,
                    policy,
                    entitlement,
                    born,
                    adopted: [cpu, memory],
                    held: [cpu_now, memory_now],
                    period_us,
                    bounds,
                }
            },
        )
}

/// Any call.
pub(crate) fn call() -> impl Strategy<Value = Call> {
    let heard = (nanos(), slot(), resource(), amount()).prop_map(|(time, slot, resource, held)| {
        Call::Heard {
            time,
            slot,
            resource,
            held,
        }
    });
    let adopt = (slot(), any::<u32>(), spec(), ".{0,30}", ".{0,8}").prop_map(
        |(slot, epoch, spec, path, policy)| Call::Adopt {
            slot,
            epoch,
            spec: Box::new(spec),
            origin: Origin { path, policy },
        },
    );
    let reconfigure = (slot(), policy(), entitlement(), bounds(), ".{0,8}").prop_map(
        |(slot, policy, entitlement, bounds, name)| Call::Reconfigure {
            slot,
            policy,
            entitlement,
            bounds,
            name,
        },
    );
    let settings = proptest::array::uniform2(amount()).prop_map(|reserve| {
        Call::SetSettings(Settings {
            reserve,
            ..Settings::default()
        })
    });
    prop_oneof![
        4 => record().prop_map(Call::Record),
        1 => (slot(), resource()).prop_map(|(slot, resource)| Call::Thresholds(slot, resource)),
        1 => Just(Call::Updates),
        1 => Just(Call::Notices),
        1 => heard,
        2 => adopt,
        1 => slot().prop_map(Call::Remove),
        1 => (slot(), proptest::option::of(slot())).prop_map(|(one, two)| Call::Reparent(one, two)),
        1 => slot().prop_map(|slot| Call::ChangeMode(slot, Mode::Observe)),
        1 => (slot(), any::<bool>()).prop_map(|(slot, pinned)| Call::Pin(slot, pinned)),
        1 => any::<bool>().prop_map(Call::Pause),
        1 => settings,
        1 => reconfigure,
    ]
}
