//! What the API shows of energy.

use super::{agent::Agent, energy::power, workload::Workload};
use crate::{
    api::view::{Energy, EnergyShare, EnergyState, Finding, FindingState},
    sense::energy::{Energy as Reader, Standing},
};

/// Microjoules in a millijoule.
const MILLI: u64 = 1_000;

impl Agent {
    /// What the node draws, and what became of it.
    pub(super) fn energy(&self) -> Energy {
        let (state, why) = standing(self.energy.reader.as_ref());
        let sums = &self.energy.sums;
        let last = self.energy.last;
        let mw = |value: fn(&super::energy::Sums) -> Option<u64>| {
            let (sums, time) = last?;
            Some(power(value(&sums)?, time))
        };
        Energy {
            state,
            why,
            milliwatts: mw(|sums| Some(sums.drawn())),
            package_milliwatts: mw(|sums| sums.packages),
            memory_milliwatts: mw(|sums| sums.memory),
            gpu_milliwatts: mw(|sums| sums.gpus),
            idle_milliwatts: mw(|sums| sums.packages.map(|_| sums.idle)),
            unattributed_milliwatts: mw(|sums| Some(sums.unattributed)),
            millijoules: sums.drawn() / MILLI,
            idle_millijoules: sums.idle / MILLI,
            unattributed_millijoules: sums.unattributed / MILLI,
        }
    }

    /// What a workload has of it; `None` where nothing tells.
    pub(super) fn energy_share(&self, workload: &Workload) -> Option<EnergyShare> {
        let share = self.energy.share(workload)?;
        let sums = &self.energy.sums;
        sums.packages.or(sums.gpus)?;
        let time = self.energy.last.map(|(_, time)| time);
        Some(EnergyShare {
            milliwatts: time.map(|time| power(share.last, time)),
            millijoules: share.cpu.saturating_add(share.gpu) / MILLI,
            gpu_millijoules: share.gpu / MILLI,
        })
    }

    pub(super) fn energy_finding(&self) -> Finding {
        energy_finding(self.energy.reader.as_ref())
    }
}

fn standing(reader: Option<&Reader>) -> (EnergyState, String) {
    match reader.map(Reader::standing) {
        None => (EnergyState::Off, String::new()),
        Some(Standing::Here) => (EnergyState::Here, String::new()),
        Some(Standing::None(why)) => (EnergyState::None, why.clone()),
        Some(Standing::Refused(why)) => (EnergyState::Refused, why.clone()),
    }
}

/// The counters for `doctor`; `None` where nothing is asked.
pub(super) fn energy_finding(reader: Option<&Reader>) -> Finding {
    let (state, why, remedy) = match (standing(reader), reader) {
        ((EnergyState::Here, _), Some(reader)) => {
            let why = format!("packages with counters: {}", reader.packages());
            (FindingState::On, why, "")
        }
        ((EnergyState::Refused, why), _) => (
            FindingState::Off,
            why,
            "run the agent as root, who alone may read these counters since 5.10",
        ),
        ((EnergyState::Off, _), _) => (
            FindingState::None,
            "left alone: `enabled = false`".into(),
            "",
        ),
        ((_, why), _) => (FindingState::None, why, ""),
    };
    Finding {
        area: "energy".into(),
        name: "counters".into(),
        state,
        why,
        remedy: remedy.into(),
    }
}
