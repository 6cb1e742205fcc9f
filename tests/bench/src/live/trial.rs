//! One contender in front of a server of its own.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail, ensure};
use trimtab_core::signal::Amount;
use trimtab_lab::load::{Account, Clients};
use trimtab_tests::Group;

use super::{
    contender::Contender,
    hand::Hand,
    row::{self, Row},
    traffic::Traffic,
    watch::{Counted, LOOK, Watch},
};
use crate::{server::Server, stop::Stop, tie::tie};

/// The kernel's usual period.
pub(super) const PERIOD_US: u64 = 100_000;
/// Connections over which requests are sent: enough that hardly two ever wait on one.
const CONNECTIONS: usize = 32;
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two lines that say how far it has come.
const SAY: Duration = Duration::from_secs(30);

/// What is the same for all contenders.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) traffic: Traffic,
    /// How long nothing is scored at first.
    pub(super) settle: Duration,
    /// How long it is then scored.
    pub(super) duration: Duration,
    /// CPU time of a request.
    pub(super) cpu: Duration,
    /// By when 99 of 100 requests are to be answered.
    pub(super) slo: Duration,
    /// All that this node has.
    pub(super) node: Amount,
    /// The 99th percentile of what was used over a second where nothing stood in the way.
    pub(super) use_p99: Amount,
    /// What the owner has set where a law or ours begins.
    pub(super) owner: Amount,
}

impl Setting {
    /// From the first request to the last.
    pub(super) fn length(&self) -> Duration {
        self.settle + self.duration
    }

    /// Where the limit of a contender stands before anybody touches it.
    fn begins(&self, contender: &Contender) -> Amount {
        match contender {
            Contender::Node => self.node,
            Contender::P99 => self.use_p99,
            Contender::Ours(_) | Contender::Law(_) => self.owner,
        }
    }
}

/// Has it steer a group of its own under the load; how it fared, and what was used in each second, in CPUs.
pub(super) async fn run(
    contender: &Contender,
    name: &str,
    setting: &Setting,
    stop: &Stop,
) -> Result<(Row, Vec<f64>)> {
    let group = Arc::new(Group::create("live")?);
    let quota_us = setting.begins(contender).0 * PERIOD_US / Amount::CPU.0;
    group.set_quota_us(Some(quota_us), PERIOD_US)?;
    let cpu = humantime::format_duration(setting.cpu).to_string();
    let server = Server::start(tie(&mut Server::command(&group, &cpu)?))?;
    let mut hand = Hand::lay(contender, &group, setting, stop).await?;
    let mut clock = Clock::start(name, setting, &server, stop)?;

    clock.wait(setting.settle).await?;
    let before = Counted::now(&group, &mut hand).await?;
    let mut watch = Watch::default();
    let mut due = setting.settle;
    while due < setting.length() {
        clock.wait(due).await?;
        watch.look(&group, &mut hand, setting.node).await?;
        due += LOOK;
    }
    clock.wait(setting.length()).await?;
    let after = Counted::now(&group, &mut hand).await?;

    let account = clock.account().await?;
    hand.end()?;
    let row = row::of(contender, setting, &account, &watch, [&before, &after])?;
    Ok((row, watch.uses))
}

/// The load, by which the time of a trial goes.
struct Clock<'a> {
    name: &'a str,
    length: Duration,
    stop: &'a Stop,
    begun: Instant,
    said: Instant,
    load: JoinHandle<Result<Account>>,
}

impl<'a> Clock<'a> {
    /// Begins to send.
    fn start(name: &'a str, setting: &Setting, server: &Server, stop: &'a Stop) -> Result<Self> {
        let times = setting.traffic.times.clone();
        let clients = Clients {
            target: server.target,
            connections: CONNECTIONS,
            patience: PATIENCE,
        };
        let load = thread::Builder::new()
            .name("load".into())
            .spawn(move || clients.send(&times, &|_| ()))?;
        let begun = Instant::now();
        Ok(Self {
            name,
            length: setting.length(),
            stop,
            begun,
            said: begun,
            load,
        })
    }

    /// Waits until so long after the beginning, and says now and then how far it has come.
    async fn wait(&mut self, due: Duration) -> Result<()> {
        loop {
            ensure!(!self.stop.is_set(), "interrupted");
            let passed = self.begun.elapsed();
            // The last request may have been answered a little before the end.
            if self.load.is_finished() && passed + PATIENCE < self.length {
                bail!("the load has ended before its time, after {passed:?}");
            }
            if self.said.elapsed() >= SAY {
                self.said = Instant::now();
                let (passed, all) = (passed.as_secs(), self.length.as_secs());
                eprintln!("{}: {passed} of {all} s", self.name);
            }
            let left = due.saturating_sub(passed);
            if left.is_zero() {
                return Ok(());
            }
            self.stop.sleep(left.min(LOOK)).await;
        }
    }

    /// Waits for the last answers; what became of each request.
    async fn account(self) -> Result<Account> {
        while !self.load.is_finished() {
            ensure!(!self.stop.is_set(), "interrupted");
            self.stop.sleep(LOOK).await;
        }
        let account = self.load.join();
        account.map_err(|_| anyhow!("the load has failed"))?
    }
}
