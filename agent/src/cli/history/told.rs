//! One workload's history as text and JSON.

use serde::Serialize;
use trimtab_core::{
    record::{self, Done, Figures},
    signal::{Amount, Resource},
};

use super::super::{
    output::{HEAD, paint},
    table::Table,
    units::{bytes, cpus, duration, seconds},
};
use crate::api::view::{Quantity, Workload};

/// What one workload did, and what was done about it.
#[derive(Debug, Serialize)]
pub(super) struct History {
    name: String,
    path: String,
    step_ns: u64,
    pub(super) steps: Vec<Step>,
}

/// One step; those of which nothing was recorded are left out.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    begun_unix_ns: u64,
    cpu: Option<Shown>,
    memory: Option<Shown>,
}

/// One resource over a step.
#[derive(Debug, Serialize)]
struct Shown {
    /// What the step's ticks cover.
    covered_ns: u64,
    /// On average.
    used: Quantity,
    /// The most of one tick.
    most: Quantity,
    /// What could not be promised to others: floor and loan, on average.
    held: Quantity,
    /// What the kernel held at the end.
    limit: Quantity,
    /// `None` where there is no such thing.
    throttled_periods: Option<u64>,
    periods: Option<u64>,
    lifts: u64,
    refusals: u64,
    decisions: u64,
    moves: u64,
    /// Changes of which it was found in this step that they helped.
    helped: u64,
    /// Those that hurt.
    hurt: u64,
}

impl History {
    pub(super) fn new(workload: &Workload, step_ns: u64, history: &record::History) -> Self {
        let steps = history.steps().map(|(begun_unix_ns, step)| Step {
            begun_unix_ns,
            cpu: step.cpu.map(|cpu| shown(Resource::Cpu, &cpu)),
            memory: step.memory.map(|memory| shown(Resource::Memory, &memory)),
        });
        Self {
            name: workload.name.clone(),
            path: workload.path.clone(),
            step_ns,
            steps: steps.collect(),
        }
    }
}

fn shown(resource: Resource, figures: &Figures) -> Shown {
    let quantity = |amount: Amount| Quantity::new(resource, amount);
    let of_cpu = |count| (resource == Resource::Cpu).then_some(count);
    let Done {
        lifts,
        refusals,
        decisions,
        moves,
        helped,
        hurt,
    } = figures.done;
    Shown {
        covered_ns: figures.covered.0,
        used: quantity(figures.used()),
        most: quantity(figures.most),
        held: quantity(figures.held()),
        limit: quantity(figures.limit),
        throttled_periods: of_cpu(figures.throttled),
        periods: of_cpu(figures.periods),
        lifts,
        refusals,
        decisions,
        moves,
        helped,
        hurt,
    }
}

pub(super) fn render(history: &History) -> String {
    let mut table = Table::new(&[
        "FROM",
        ">CPU",
        ">MOST",
        ">HELD",
        ">LIMIT",
        ">THROTTLED",
        ">MEMORY",
        ">MOST",
        ">HELD",
        ">LIMIT",
        ">LIFTS",
        ">REFUSED",
        ">DECIDED",
        ">MOVED",
        ">HELPED",
        ">HURT",
    ]);
    for step in &history.steps {
        let both = [&step.cpu, &step.memory].map(Option::as_ref);
        let sum = |figure: fn(&Shown) -> u64| {
            let all = both.into_iter().flatten().map(figure);
            all.sum::<u64>().to_string()
        };
        let [cpu, memory] = both.map(amounts);
        let throttled = step.cpu.as_ref().and_then(throttled).unwrap_or_default();
        let counts = [
            sum(|one| one.lifts),
            sum(|one| one.refusals),
            sum(|one| one.decisions),
            sum(|one| one.moves),
            sum(|one| one.helped),
            sum(|one| one.hurt),
        ];
        let cells = [seconds(step.begun_unix_ns)].into_iter();
        table.row(
            cells
                .chain(cpu)
                .chain([throttled])
                .chain(memory)
                .chain(counts),
        );
    }
    format!(
        "{} {} in steps of {}\n{}",
        paint(HEAD, &history.name),
        history.path,
        duration(history.step_ns),
        table.render()
    )
}

/// Use, the most of it, what is held, the limit.
fn amounts(shown: Option<&Shown>) -> [String; 4] {
    let Some(shown) = shown else {
        return Default::default();
    };
    [shown.used, shown.most, shown.held, shown.limit].map(|amount| match amount {
        Quantity::MicroCpus(micro) => cpus(micro),
        Quantity::Bytes(count) => bytes(count),
        Quantity::Unlimited => "none".into(),
    })
}

/// Throttled periods of all.
fn throttled(cpu: &Shown) -> Option<String> {
    let (throttled, periods) = (cpu.throttled_periods?, cpu.periods?);
    Some(format!("{throttled} of {periods}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::goldens::both;

    #[test]
    fn a_step_is_a_line() {
        let cpu = |lifts| Shown {
            covered_ns: 30_000_000_000,
            used: Quantity::MicroCpus(123_456),
            most: Quantity::MicroCpus(900_000),
            held: Quantity::MicroCpus(250_000),
            limit: Quantity::MicroCpus(1_000_000),
            throttled_periods: Some(3),
            periods: Some(300),
            lifts,
            refusals: 4,
            decisions: 2,
            moves: 1,
            helped: 1,
            hurt: 0,
        };
        let memory = Shown {
            used: Quantity::Bytes(100 << 20),
            most: Quantity::Bytes(3 << 29),
            held: Quantity::Bytes(64 << 20),
            limit: Quantity::Unlimited,
            throttled_periods: None,
            periods: None,
            ..cpu(7)
        };
        let step = |number: u64, cpu, memory| Step {
            begun_unix_ns: 1_700_000_010_000_000_000 + number * 30_000_000_000,
            cpu,
            memory,
        };
        let history = History {
            name: "web".into(),
            path: "/demo/web".into(),
            step_ns: 30_000_000_000,
            steps: vec![
                step(0, Some(cpu(1)), Some(memory)),
                step(1, Some(cpu(0)), None),
                step(3, None, None),
            ],
        };
        both("history", &history, render);
    }
}
