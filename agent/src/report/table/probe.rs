//! The probes: how they stand and what they cost.

use super::row;
use crate::{
    probe::State,
    report::{
        Kind::{Gauge, Info, UpDownCounter},
        Metric, Points, Read, Sample, Unit,
    },
};

/// What tells one program in the kernel from another.
const PROGRAM: &[&str] = &[
    "trimtab.program",
    "trimtab.program.hook",
    "trimtab.program.probes",
];

pub(super) const METRICS: &[Metric] = &[
    row(
        Gauge,
        "trimtab.probe.state",
        Unit::None,
        Read::Node(states),
        "the capability plan",
        "1 for the state that a probe is in, 0 for the others.",
    )
    .by(&["trimtab.probe", "trimtab.state"]),
    row(
        Info,
        "trimtab.probe",
        Unit::None,
        Read::Node(|sample, points| {
            for status in &sample.probes {
                points.number(&[status.probe.name(), &status.why], 1_u64);
            }
        }),
        "the capability plan",
        "Why a probe is in its state, where there is anything to say.",
    )
    .by(&["trimtab.probe", "trimtab.reason"]),
    row(
        Gauge,
        "trimtab.program.cpu.usage",
        Unit::Cpus,
        Read::Node(|sample, points| {
            programs(sample, points, |program| Some(program.micro_cpus));
        }),
        "the kernel's statistics of programs, a tenth of a second in ten",
        "CPU that a program in the kernel takes, in the time of whoever it runs for.",
    )
    .by(PROGRAM),
    row(
        Gauge,
        "trimtab.program.rate",
        Unit::Count("{run}/s"),
        Read::Node(|sample, points| {
            programs(sample, points, |program| Some(program.runs_per_second));
        }),
        "the same",
        "How often a program in the kernel runs in a second.",
    )
    .by(PROGRAM),
    row(
        Gauge,
        "trimtab.program.run.duration",
        Unit::Seconds,
        Read::Node(|sample, points| programs(sample, points, |program| program.ns_per_run)),
        "the same",
        "How long a program in the kernel takes for one run.",
    )
    .by(PROGRAM),
    row(
        Gauge,
        "trimtab.probes.cpu.usage",
        Unit::Cpus,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.probes_micro_cpus)),
        "the same",
        "CPU that all programs in the kernel take; absent where that is not counted.",
    ),
    row(
        UpDownCounter,
        "trimtab.probes.memory.usage",
        Unit::Bytes,
        Read::Node(|sample, points| points.number(&[], sample.status.cost.map_bytes)),
        "the kernel",
        "Kernel memory of the maps of the probes.",
    ),
];

fn states(sample: &Sample, points: &mut Points) {
    let states = [
        (State::On, "on"),
        (State::Degraded, "degraded"),
        (State::Off, "off"),
    ];
    for status in &sample.probes {
        for (state, word) in states {
            points.number(
                &[status.probe.name(), word],
                u64::from(status.state == state),
            );
        }
    }
}

fn programs(
    sample: &Sample,
    points: &mut Points,
    value: fn(&crate::api::view::ProgramCost) -> Option<u64>,
) {
    for program in &sample.status.cost.programs {
        let probes = program.probes.join(",");
        points.number(&[&program.name, &program.hook, &probes], value(program));
    }
}
