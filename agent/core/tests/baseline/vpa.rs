//! The Vertical Pod Autoscaler.

mod ladder;
mod reaction;
mod rules;

use crate::{Bench, CPU, GIB, Want, workload};
use trimtab_core::baseline::vpa::{Bounds, Params, Update, Vpa};
use trimtab_core::signal::Resource;

fn bench(params: Params, cpu: u64, memory: u64) -> Bench<Vpa> {
    Bench::new(Vpa::new(params), workload(cpu, memory))
}

fn default() -> Bench<Vpa> {
    bench(Params::default(), CPU, GIB)
}

/// Recommends and updates nothing.
fn off() -> Params {
    Params {
        update: Update::Off,
        ..Params::default()
    }
}

fn want(cpu: u64, memory: u64) -> Want {
    Want {
        cpu,
        memory,
        ..Want::default()
    }
}

fn bounds(bench: &Bench<Vpa>, resource: Resource) -> Bounds {
    let recommended = bench.law.recommended(crate::SLOT);
    recommended.map_or(Bounds::default(), |all| all[resource.index()])
}

/// Whether it is `used` plus 15 %, and at most a bucket more: 5 % and the first one's width.
fn covers(resource: Resource, target: u64, used: u64) -> bool {
    let first = match resource {
        Resource::Cpu => 11_500,
        Resource::Memory => 11_500_000,
    };
    let low = used * 115 / 100;
    (low..=low * 105 / 100 + first).contains(&target)
}
