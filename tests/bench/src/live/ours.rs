//! Our agent, enforcing on one group and on nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trimtab::api::{
    Client,
    view::{FindingState, Quantity},
};
use trimtab_core::signal::Amount;
use trimtab_tests::{Agent, Group};

use super::trial::Setting;
use crate::stop::Stop;

/// How long it may take to find the group.
const NOTICE: Duration = Duration::from_secs(10);

/// A running agent; dropping it stops it.
#[derive(Debug)]
pub(super) struct Ours {
    agent: Agent,
    client: Client,
    path: String,
}

impl Ours {
    /// Starts it under this policy, with its defaults, but that it need not wait for three minutes before it trims.
    pub(super) async fn start(
        kind: &str,
        group: &Group,
        setting: &Setting,
        stop: &Stop,
    ) -> Result<Self> {
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let objective = match kind {
            "slo" => format!("request_p99 = \"{}\"\n", ms(setting.slo)),
            _ => String::new(),
        };
        let agent = Agent::start(&format!(
            "[[policy]]\nname = \"live\"\nselect = [\"{}\"]\nmode = \"enforce\"\nresources = [\"cpu\"]\n\
             kind = \"{kind}\"\nwarm_up = \"{}\"\n{objective}",
            group.path(),
            ms(setting.settle),
        ))?;
        let mut ours = Self {
            client: Client::connect(&agent.socket()).await?,
            agent,
            path: group.path().to_owned(),
        };
        let end = Instant::now() + NOTICE;
        while ours.client.workloads().await?.is_empty() {
            ensure!(!stop.is_set(), "interrupted");
            ensure!(
                Instant::now() < end,
                "the agent does not see the group\n{}",
                ours.agent.log()
            );
            stop.sleep(Duration::from_millis(50)).await;
        }
        for finding in ours.client.doctor().await? {
            if finding.area == "probes" && finding.state != FindingState::On {
                eprintln!("{}: {:?}: {}", finding.name, finding.state, finding.why);
            }
        }
        Ok(ours)
    }

    /// What it holds for the group: its limit without what of it is lent. Of a floor that nobody asked for the
    /// agent sets aside only what is needed; that is not subtracted here.
    pub(super) async fn held(&mut self, node: Amount) -> Result<Amount> {
        let all = self.client.workloads().await?;
        let cpu = all.into_iter().find_map(|one| one.cpu);
        let cpu = cpu.context("the agent steers no CPU any more")?;
        let (limit, lent) = (amount(cpu.limit), amount(cpu.lent));
        Ok(limit.minus(lent).min(node))
    }

    /// Limits written so far.
    pub(super) async fn writes(&mut self) -> Result<u64> {
        let counters = self.client.show(&self.path).await?.counters;
        Ok(counters.lifts + counters.trims)
    }

    /// CPU time used so far, in seconds: also by being asked what it holds.
    pub(super) async fn cpu_s(&mut self) -> Result<f64> {
        let used = self.client.status().await?.cpu_time_ns;
        Ok(Duration::from_nanos(used).as_secs_f64())
    }

    /// Stops it, which puts the owner's limit back.
    pub(super) fn end(mut self) -> Result<()> {
        self.agent.stop()
    }
}

const fn amount(quantity: Quantity) -> Amount {
    match quantity {
        Quantity::MicroCpus(amount) | Quantity::Bytes(amount) => Amount(amount),
        Quantity::Unlimited => Amount::UNLIMITED,
    }
}
