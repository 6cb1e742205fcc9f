//! The demonstration where everything is possible: first without Trimtab's help, then with it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc::UnboundedReceiver;
use trimtab::api::{
    Client,
    view::{Entry, FindingState, Quantity, Status, Workload},
};
use trimtab_core::signal::Mode;

use super::{
    agent::Agent,
    effect::{Effect, Phase, millis},
    show::{Frame, Show},
    stage::Stage,
    summary::{Cost, Reaction, Summary},
    words,
};
use crate::stop::Stop;

/// Between two looks at processes and signals.
const STEP: Duration = Duration::from_millis(20);
/// Between two questions to the agent, and two frames on a screen.
const FRAME: Duration = Duration::from_millis(250);
/// Between two lines where there is no screen.
const LINE: Duration = Duration::from_secs(1);
/// How long the agent may take to find the groups, or to take up a new configuration.
const NOTICE: Duration = Duration::from_secs(10);
/// Set aside at the end, for the last answers and for putting everything back.
const LAST: Duration = Duration::from_secs(2);

/// How long to show what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long without help.
    pub(super) without: Duration,
    /// How long in all, from now; `None` means until somebody ends it.
    pub(super) all: Option<Duration>,
}

/// Everything that runs. The agent goes before the groups whose limits it puts back.
struct Live<'a> {
    show: &'a mut Show,
    stop: &'a Stop,
    client: Client,
    journal: UnboundedReceiver<Entry>,
    agent: Agent,
    stage: Stage,
    workloads: Vec<Workload>,
    status: Status,
    /// The status when enforcement began, and when that was.
    since: Option<(Status, Instant)>,
    asked: Instant,
    drawn: Instant,
    throttled_before: [u64; 2],
    trims: u64,
    without: Option<Effect>,
    with: Option<Effect>,
}

/// Shows it; the summary is complete however it ended.
pub(super) async fn run(
    times: Times,
    probes_off: &[&str],
    show: &mut Show,
    stop: &Stop,
) -> Result<Summary> {
    let start = Instant::now();
    let stage = Stage::set()?;
    show.say("starting the agent, in mode recommend".into())?;
    let agent = Agent::start(stop, probes_off, &stage.policies()?).await?;
    let mut client = agent.client();
    let findings = client.doctor().await?;
    let mut live = Live {
        stop,
        journal: agent.journal(),
        status: client.status().await?,
        client,
        agent,
        throttled_before: stage.cpu_stats()?.map(|stat| stat.throttled_ns),
        stage,
        workloads: Vec::new(),
        since: None,
        asked: start,
        drawn: start,
        trims: 0,
        without: None,
        with: None,
        show,
    };
    for finding in findings
        .iter()
        .filter(|finding| finding.state != FindingState::On)
    {
        live.show.say(words::finding(finding))?;
    }
    live.show.open()?;
    live.act(times, start).await?;
    live.show.close();
    let mut summary = live.end()?;
    summary.findings = findings;
    summary
        .findings
        .retain(|finding| finding.state != FindingState::On);
    Ok(summary)
}

impl Live<'_> {
    async fn act(&mut self, times: Times, start: Instant) -> Result<()> {
        self.expect(Mode::Recommend).await?;
        self.say("without: the agent only says what it would do")?;
        let phase = Phase::start(&self.stage, Some(times.without))?;
        self.phase(phase).await?;
        if self.stop.is_set() {
            return Ok(());
        }
        self.say("with: mode enforce, by the configuration file and SIGHUP")?;
        self.agent.enforce()?;
        self.expect(Mode::Enforce).await?;
        self.since = Some((self.status.clone(), Instant::now()));
        self.throttled_before = self.stage.cpu_stats()?.map(|stat| stat.throttled_ns);
        let rest = times
            .all
            .map(|all| all.saturating_sub(start.elapsed() + LAST));
        let phase = Phase::start(&self.stage, rest)?;
        self.phase(phase).await
    }

    /// Shows one phase to its end, which comes after its last answer and its last growth.
    async fn phase(&mut self, phase: Phase) -> Result<()> {
        loop {
            let (over, stopped) = (phase.traffic.is_over(), self.stop.is_set());
            *self.effect() = Some(phase.so_far(&self.stage)?);
            if over && (stopped || !self.stage.grower.is_busy()) {
                *self.effect() = Some(phase.end(&self.stage)?);
                return Ok(());
            }
            if stopped {
                return Ok(());
            }
            self.step(!over).await?;
            self.draw(phase.traffic.elapsed())?;
        }
    }

    /// What the present phase comes to.
    fn effect(&mut self) -> &mut Option<Effect> {
        if self.since.is_some() {
            &mut self.with
        } else {
            &mut self.without
        }
    }

    /// Waits until the agent has taken up the two lasting groups in this mode.
    async fn expect(&mut self, mode: Mode) -> Result<()> {
        let end = Instant::now() + NOTICE;
        loop {
            self.step(false).await?;
            let known = |name: &str| {
                let path = self.stage.path(name);
                let mut workloads = self.workloads.iter();
                workloads.any(|workload| workload.path == path && workload.mode == mode)
            };
            if self.stop.is_set() || known("bursty") && known("greedy") {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the agent has not taken up the groups after {NOTICE:?}");
            }
        }
    }

    /// A short sleep, and then whatever is due.
    async fn step(&mut self, more: bool) -> Result<()> {
        self.stop.sleep(STEP).await;
        if self.asked.elapsed() >= FRAME || self.stage.grower.is_busy() && !self.grower_adopted() {
            self.asked = Instant::now();
            self.workloads = self.client.workloads().await.context("the agent is gone")?;
            self.status = self.client.status().await?;
        }
        let adopted = self.grower_adopted();
        self.stage.grower.step(adopted, more)?;
        while let Ok(entry) = self.journal.try_recv() {
            self.trims += u64::from(is_trim(&entry));
            self.show.say(words::entry(&entry))?;
        }
        Ok(())
    }

    /// Whether the agent has taken up the growing one's present group at the limit that we have set.
    fn grower_adopted(&self) -> bool {
        let (Some(group), Some(bursty)) = (self.stage.grower.group(), self.workloads.first())
        else {
            return false;
        };
        let original = Quantity::Bytes(super::grower::LIMIT);
        self.workloads.iter().any(|workload| {
            let memory = workload.memory.as_ref();
            workload.path == group.path()
                && workload.mode == bursty.mode
                && memory.is_some_and(|memory| memory.original == original && !memory.foreign)
        })
    }

    fn draw(&mut self, elapsed: Duration) -> Result<()> {
        let every = if self.show.is_screen() { FRAME } else { LINE };
        if self.drawn.elapsed() < every {
            return Ok(());
        }
        self.drawn = Instant::now();
        let effect = self.with.or(self.without).unwrap_or_default();
        let seconds = elapsed.as_secs();
        let title = match (self.show.is_screen(), self.since.is_some()) {
            (true, true) => format!(
                "Trimtab: mode enforce for {seconds} s; Ctrl-C ends it and puts everything back"
            ),
            (true, false) => format!(
                "Trimtab: mode recommend for {seconds} s, so nothing is written yet; Ctrl-C ends it"
            ),
            (false, true) => format!("[with {seconds:2} s]"),
            (false, false) => format!("[without {seconds:2} s]"),
        };
        let throttled = self.stage.cpu_stats()?.map(|stat| stat.throttled_ns);
        self.show.draw(&Frame {
            title,
            workloads: &self.workloads,
            throttled_ms: [0, 1]
                .map(|index| millis(throttled[index] - self.throttled_before[index])),
            killed: effect.killed,
            without: self.without.as_ref(),
            with: self.with.as_ref(),
            reaction: Reaction::of(&self.status, self.trims),
            cost: self.cost(),
        })?;
        Ok(())
    }

    /// What the agent used since enforcement began, or since its start.
    fn cost(&self) -> Cost {
        let used = self.status.cpu_time_ns;
        let (used, time) = match &self.since {
            Some((before, since)) => (used - before.cpu_time_ns, since.elapsed()),
            None => (used, Duration::from_nanos(self.status.uptime_ns)),
        };
        Cost {
            cpu_percent: millis(used) / time.as_secs_f64().max(0.001) / 10.0,
            resident_bytes: self.status.resident_bytes,
        }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        Ok(self.show.say(line.into())?)
    }

    /// Stops the agent and looks whether everything stands where it stood.
    fn end(self) -> Result<Summary> {
        let (reaction, cost) = (Reaction::of(&self.status, self.trims), self.cost());
        let Self {
            agent,
            stage,
            without,
            with,
            ..
        } = self;
        // A limit cannot go back below what a process still holds.
        stage.grower.kill()?;
        let took = agent.stop()?;
        let not_restored = stage.not_restored()?;
        Ok(Summary {
            enforced: with.is_some(),
            without,
            with,
            reaction,
            cost,
            restored: not_restored.is_empty(),
            not_restored,
            restore_ms: took.as_secs_f64() * 1e3,
            ..Summary::default()
        })
    }
}

fn is_trim(entry: &Entry) -> bool {
    let amount = |quantity| match quantity {
        Some(Quantity::MicroCpus(amount) | Quantity::Bytes(amount)) => amount,
        _ => u64::MAX,
    };
    entry.written && amount(entry.to) < amount(entry.from)
}
