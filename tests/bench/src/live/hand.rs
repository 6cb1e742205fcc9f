//! Whose hand is on the limit.

use std::sync::Arc;

use anyhow::Result;
use trimtab_core::signal::Amount;
use trimtab_tests::Group;

use super::{contender::Contender, law::Law, ours::Ours, trial::Setting};
use crate::stop::Stop;

/// Whoever steers a group; dropping it ends that.
#[derive(Debug)]
pub(super) enum Hand {
    /// The limit stays where it is.
    Nobody,
    Law(Law),
    Ours(Box<Ours>),
}

impl Hand {
    /// Lays it on the limit of a group that stands as its owner has set it.
    pub(super) async fn lay(
        contender: &Contender,
        group: &Arc<Group>,
        setting: &Setting,
        stop: &Stop,
    ) -> Result<Self> {
        Ok(match contender {
            Contender::Node | Contender::P99 => Self::Nobody,
            Contender::Law(name) => Self::Law(Law::start(name, group, setting.node)?),
            Contender::Ours(kind) => {
                let ours = Ours::start(kind, group, setting, stop).await?;
                Self::Ours(Box::new(ours))
            }
        })
    }

    /// After how many looks at the limit it is worth asking what is held: our agent has to answer.
    pub(super) const fn ask_every(&self) -> usize {
        match self {
            Self::Nobody | Self::Law(_) => 1,
            Self::Ours(_) => 5,
        }
    }

    /// What can be promised to nobody else while the limit stands at `limit`.
    pub(super) async fn held(&mut self, limit: Amount, node: Amount) -> Result<Amount> {
        match self {
            Self::Nobody | Self::Law(_) => Ok(limit),
            Self::Ours(ours) => ours.held(node).await,
        }
    }

    /// Limits written, and seconds of CPU time used, so far.
    pub(super) async fn spent(&mut self) -> Result<(u64, f64)> {
        Ok(match self {
            Self::Nobody => (0, 0.0),
            Self::Law(law) => (law.writes(), law.cpu_s()),
            Self::Ours(ours) => (ours.writes().await?, ours.cpu_s().await?),
        })
    }

    /// Takes it away, and says what went wrong.
    pub(super) fn end(self) -> Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Law(law) => law.end(),
            Self::Ours(ours) => ours.end(),
        }
    }
}
