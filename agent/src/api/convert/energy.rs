//! Energy, and whose it is.

use super::Malformed;
use crate::api::{proto, view};

impl From<view::Energy> for proto::Energy {
    fn from(energy: view::Energy) -> Self {
        let state = match energy.state {
            view::EnergyState::Off => proto::EnergyState::Off,
            view::EnergyState::None => proto::EnergyState::None,
            view::EnergyState::Here => proto::EnergyState::Here,
            view::EnergyState::Refused => proto::EnergyState::Refused,
        };
        Self {
            state: state.into(),
            why: energy.why,
            milliwatts: energy.milliwatts,
            package_milliwatts: energy.package_milliwatts,
            memory_milliwatts: energy.memory_milliwatts,
            gpu_milliwatts: energy.gpu_milliwatts,
            idle_milliwatts: energy.idle_milliwatts,
            unattributed_milliwatts: energy.unattributed_milliwatts,
            millijoules: energy.millijoules,
            idle_millijoules: energy.idle_millijoules,
            unattributed_millijoules: energy.unattributed_millijoules,
        }
    }
}

impl TryFrom<proto::Energy> for view::Energy {
    type Error = Malformed;

    fn try_from(energy: proto::Energy) -> Result<Self, Malformed> {
        let state = match energy.state() {
            proto::EnergyState::Off => view::EnergyState::Off,
            proto::EnergyState::None => view::EnergyState::None,
            proto::EnergyState::Here => view::EnergyState::Here,
            proto::EnergyState::Refused => view::EnergyState::Refused,
            proto::EnergyState::Unspecified => return Err(Malformed("state")),
        };
        Ok(Self {
            state,
            why: energy.why,
            milliwatts: energy.milliwatts,
            package_milliwatts: energy.package_milliwatts,
            memory_milliwatts: energy.memory_milliwatts,
            gpu_milliwatts: energy.gpu_milliwatts,
            idle_milliwatts: energy.idle_milliwatts,
            unattributed_milliwatts: energy.unattributed_milliwatts,
            millijoules: energy.millijoules,
            idle_millijoules: energy.idle_millijoules,
            unattributed_millijoules: energy.unattributed_millijoules,
        })
    }
}

impl From<view::EnergyShare> for proto::EnergyShare {
    fn from(share: view::EnergyShare) -> Self {
        Self {
            milliwatts: share.milliwatts,
            millijoules: share.millijoules,
            gpu_millijoules: share.gpu_millijoules,
        }
    }
}

impl From<proto::EnergyShare> for view::EnergyShare {
    fn from(share: proto::EnergyShare) -> Self {
        Self {
            milliwatts: share.milliwatts,
            millijoules: share.millijoules,
            gpu_millijoules: share.gpu_millijoules,
        }
    }
}
