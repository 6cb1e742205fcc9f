//! One series as a workload, and the node that it would have to itself.

use trimtab_core::{
    node::{Demand, MemoryDemand, MemoryStep, Microbursts, Setup, Workload},
    signal::{Amount, Nanos},
};

use super::super::{
    digest::Digest,
    error::{ReadError, Wrong},
    reader::Reader,
    repair::Repairs,
    series::{Head, MOST_SAMPLES, Quantity, Sample},
};
use super::{early, options::Options, requests::Requests};

/// The least limits to begin with: the floors that our own policies keep to as well.
pub(super) const LEAST: [u64; 2] = [100_000, 16 << 20];

/// A series that is run.
#[derive(Debug)]
pub(super) struct About {
    pub(super) head: Head,
    pub(super) repairs: Repairs,
    /// Whether there was more of it than is run.
    pub(super) cut: bool,
    /// How long it is.
    pub(super) until: Nanos,
}

/// A series, ready to be put on a node.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) about: About,
    /// The node that it has to itself.
    pub(super) setup: Setup,
    pub(super) workload: Workload,
    /// The same for the same samples.
    pub(super) digest: u64,
}

/// What samples say, without those that repeat the one before.
#[derive(Debug, Default)]
struct Said {
    cpu: Steps,
    memory: Steps,
    requests: Steps,
    caps: [Cap; 2],
}

/// From when on which value holds, in order.
#[derive(Debug, Default)]
struct Steps(Vec<(Nanos, u64)>);

impl Steps {
    fn push(&mut self, at: Nanos, value: Option<u64>) {
        // What is not known stays as it was.
        if let Some(value) = value
            && self.0.last().is_none_or(|(_, last)| *last != value)
        {
            self.0.push((at, value));
        }
    }

    fn most(&self) -> u64 {
        self.0.iter().map(|(_, value)| *value).max().unwrap_or(0)
    }
}

/// What was provisioned.
#[derive(Clone, Copy, Debug, Default)]
struct Cap {
    first: Option<u64>,
    most: u64,
}

impl Said {
    fn hear(&mut self, sample: &Sample) {
        self.cpu.push(sample.at, sample.get(Quantity::Cpu));
        self.memory.push(sample.at, sample.get(Quantity::Memory));
        self.requests
            .push(sample.at, sample.get(Quantity::Requests));
        let caps = [Quantity::CpuCap, Quantity::MemoryCap].map(|cap| sample.get(cap));
        for (cap, value) in self.caps.iter_mut().zip(caps) {
            if let Some(value) = value {
                cap.first.get_or_insert(value);
                cap.most = cap.most.max(value);
            }
        }
    }
}

impl Case {
    /// Reads what is left of the present series of a reader, and keeps what the options want of it; `None` if it
    /// says nothing of CPU, memory or requests.
    ///
    /// # Errors
    /// What is wrong in the file, and where.
    pub(super) fn read(
        reader: &mut Reader,
        head: Head,
        options: &Options,
    ) -> Result<Option<Self>, ReadError> {
        let most = options.most.unwrap_or(Nanos(u64::MAX));
        let mut digest = Digest::seeded(0);
        let mut said = Said::default();
        let (mut count, mut last, mut cut) = (0, Nanos(0), false);
        while let Some(sample) = reader.next_sample()? {
            cut |= sample.at >= most;
            if cut {
                continue;
            }
            if count == MOST_SAMPLES {
                return Err(reader.wrong(Wrong::LongSeries(MOST_SAMPLES)));
            }
            count += 1;
            for value in sample.values {
                digest = digest.number(value.unwrap_or(u64::MAX));
            }
            digest = digest.number(sample.at.0);
            last = sample.at;
            said.hear(&sample);
        }
        let until = last.plus(head.step).min(most);
        let name = digest.text(head.source).text(&head.name);
        let seed = name.number(head.part.into()).number(until.0);
        let digest = options.microbursts.map_or(seed, |bursts| {
            let ranges = bursts.length.map(|length| length.0).into_iter();
            let ranges = ranges.chain(bursts.percent.map(u64::from));
            let numbers = [bursts.every.0, bursts.seed].into_iter().chain(ranges);
            numbers.fold(seed, Digest::number)
        });
        let (seed, digest) = (seed.mixed(), digest.mixed());
        let repairs = *reader.repairs();
        let about = About {
            head,
            repairs,
            cut,
            until,
        };
        Ok(said
            .node(until, seed, options.microbursts)
            .map(|(setup, workload)| Self {
                about,
                setup,
                workload,
                digest,
            }))
    }
}

impl Said {
    /// The node, which has twice the most that the workload ever had or used, and the workload.
    fn node(
        mut self,
        until: Nanos,
        seed: u64,
        microbursts: Option<Microbursts>,
    ) -> Option<(Setup, Workload)> {
        for steps in [&mut self.cpu, &mut self.memory, &mut self.requests] {
            steps.0.shrink_to_fit();
        }
        let flows = !self.cpu.0.is_empty();
        let asked = !flows && !self.requests.0.is_empty();
        let mut requests = asked.then(|| Requests::new(self.requests.0, until, seed));
        let cpu = match &requests {
            Some(requests) => Steps(requests.cpu()),
            None => self.cpu,
        };
        let [mut cpu_room, memory_room] = [
            Room::of(&cpu, self.caps[0], until, LEAST[0]),
            Room::of(&self.memory, self.caps[1], until, LEAST[1]),
        ];
        if let Some(microbursts) = microbursts {
            // What was provisioned does not reckon with them; the node has room for them.
            requests = requests.map(|requests| requests.with(microbursts));
            let most = requests
                .as_ref()
                .map(|requests| Steps(requests.cpu()).most());
            cpu_room.most = cpu_room.most.max(most.unwrap_or(0));
        }
        let cpus = (2 * cpu_room.most).div_ceil(Amount::CPU.0).max(1);
        let threads = |micro: u64| u32::try_from(micro.div_ceil(Amount::CPU.0)).unwrap_or(u32::MAX);
        let demand = match requests {
            Some(requests) => Some(requests.demand(threads(cpus * Amount::CPU.0))),
            None => flows.then(|| Demand::Series {
                steps: cpu
                    .0
                    .into_iter()
                    .map(|(at, rate)| (at, Amount(rate)))
                    .collect(),
                repeat: None,
                threads: threads(cpu_room.most).max(1),
            }),
        };
        let memory = (!self.memory.0.is_empty()).then(|| {
            let steps = self.memory.0.into_iter().map(|(at, bytes)| MemoryStep {
                at,
                anonymous: Amount(bytes),
                ..MemoryStep::default()
            });
            MemoryDemand::series(steps.collect())
        });
        if demand.is_none() && memory.is_none() {
            return None;
        }
        let setup = Setup {
            cpus: Amount(cpus * Amount::CPU.0),
            memory: Amount(2 * memory_room.most.max(LEAST[1])),
            ..Setup::default()
        };
        // What is guaranteed is what is the most: so a machine has it, and a pod that is to be left alone.
        let limits = [
            demand.is_some().then_some(Amount(cpu_room.limit)),
            memory.is_some().then_some(Amount(memory_room.limit)),
        ];
        let [cpu_limit, memory_limit] = limits.map(|limit| limit.unwrap_or(Amount::UNLIMITED));
        let [cpu_request, memory_request] = limits.map(Option::unwrap_or_default);
        let workload = Workload {
            cpu_request,
            cpu_limit,
            memory_request,
            memory_limit,
            demand,
            memory,
            ..Workload::default()
        };
        Some((setup, workload))
    }
}

/// What a workload begins with of a resource, and the most that it ever had or used.
struct Room {
    limit: u64,
    most: u64,
}

impl Room {
    fn of(steps: &Steps, cap: Cap, until: Nanos, least: u64) -> Self {
        let limit = cap.first.unwrap_or_else(|| early::limit(&steps.0, until));
        let limit = limit.max(least);
        let most = limit.max(cap.most).max(steps.most());
        Self { limit, most }
    }
}
