//! What a scrape of a real agent says, beside what the kernel and the command line say.

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use trimtab_tests::{Agent, CpuStat, Group, eventually, free_address, lab_bin, scrape, skip};

use crate::trust::{SOON, adopted, group, show};

const QUOTA: u64 = 20_000;
const PERIOD: u64 = 100_000;
pub(crate) const TIME: &str = "trimtab_workload_cpu_time_seconds_total";
const THROTTLED: &str = "trimtab_workload_cpu_throttled_time_seconds_total";

/// An agent that only looks, and where it tells of it.
pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) address: SocketAddr,
}

pub(crate) fn stage(select: &str, workloads: u32) -> Result<Stage> {
    let address = free_address()?;
    let agent = Agent::start(&config(select, workloads, address))?;
    Ok(Stage { agent, address })
}

pub(crate) fn config(select: &str, workloads: u32, address: SocketAddr) -> String {
    format!(
        "[report]\nworkloads = {workloads}\n[report.prometheus]\nenabled = true\nlisten = \"{address}\"\n\
         [[policy]]\nname = \"metrics\"\nselect = [\"{select}\"]\nmode = \"observe\"\n"
    )
}

/// One answer of the endpoint.
pub(crate) struct Scrape(String);

impl Stage {
    pub(crate) fn scrape(&self) -> Result<Scrape> {
        let body = scrape(self.address, "application/openmetrics-text")?;
        ensure!(body.ends_with("# EOF\n"), "cut short: {body}");
        Ok(Scrape(body))
    }

    /// What Prometheus' own tool says of the text format: nothing at all is what it should.
    fn lint(&self) -> Result<()> {
        let mut command = Command::new("promtool");
        command.args(["check", "metrics"]).stdin(Stdio::piped());
        let spawned = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = spawned else {
            skip("there is no promtool");
            return Ok(());
        };
        let mut input = promtool.stdin.take().context("no input")?;
        input.write_all(scrape(self.address, "text/plain")?.as_bytes())?;
        drop(input);
        let output = promtool.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(
            output.status.success() && said.is_empty(),
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&said)
        );
        Ok(())
    }

    /// Scrapes until what is scraped is as it should be.
    pub(crate) fn comes_to(&self, what: impl Fn(&Scrape) -> Result<bool>) -> Result<Scrape> {
        let mut last = None;
        let came = eventually(SOON, || {
            last = self.scrape().ok();
            last.as_ref()
                .is_some_and(|scrape| what(scrape).unwrap_or(false))
        });
        let last = last.context("the endpoint does not answer")?;
        ensure!(came, "{}\n{}", last.0, self.agent.log());
        Ok(last)
    }
}

impl Scrape {
    /// The values of a metric whose labels contain all of these.
    pub(crate) fn values(&self, name: &str, labels: &[&str]) -> Vec<f64> {
        let samples = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (found, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let all = labels.iter().all(|label| found.contains(label));
            all.then(|| value.parse().ok())?
        });
        samples.collect()
    }

    pub(crate) fn value(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let values = self.values(name, labels);
        ensure!(values.len() == 1, "{name} {labels:?}: {values:?}");
        Ok(values[0])
    }

    fn count(&self, name: &str, labels: &[&str]) -> Result<u64> {
        Ok(self.nanos(name, labels)? / 1_000_000_000)
    }

    /// A number of seconds or CPUs, in billionths.
    pub(crate) fn nanos(&self, name: &str, labels: &[&str]) -> Result<u64> {
        let value = self.value(name, labels)?;
        ensure!(value >= 0.0, "{value}");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and not negative"
        )]
        Ok((value * 1e9).round() as u64)
    }
}

pub(crate) fn path(group: &Group) -> String {
    format!("trimtab_workload_path=\"{}\"", group.path())
}

/// Uses so much CPU time in a group.
pub(crate) fn burn(group: &Group, time: &str) -> Result<()> {
    let mut command = group.command(lab_bin()?)?;
    command.args(["burn", "--for", time]);
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "the burst ended with {}",
        output.status
    );
    Ok(())
}

#[test]
fn a_scrape_says_what_the_kernel_says() -> Result<()> {
    let Some(group) = group("metrics") else {
        return Ok(());
    };
    group.set_quota_us(Some(QUOTA), PERIOD)?;
    // A quota that is set begins a period.
    let before = group.cpu_stat_at_rest()?;
    let stage = stage(group.path(), 50)?;
    adopted(&stage.agent, &group, QUOTA)?;
    burn(&group, "300ms")?;
    let after = group.cpu_stat_at_rest()?;
    let own = path(&group);
    let own = own.as_str();
    let told = |scrape: &Scrape| -> Result<CpuStat> {
        Ok(CpuStat {
            nr_periods: scrape.count("trimtab_workload_cpu_periods_total", &[own])?,
            nr_throttled: scrape.count("trimtab_workload_cpu_throttled_periods_total", &[own])?,
            throttled_ns: scrape.nanos(THROTTLED, &[own])?,
            usage_ns: scrape.nanos(TIME, &[own])?,
        })
    };
    let counted = after.since(before);
    assert!(counted.nr_throttled > 0, "{counted:?}");
    let scrape = stage.comes_to(|scrape| Ok(told(scrape)? == counted))?;
    let throttled = counted.throttled_ns;

    // And what the command line says.
    let shown = show(&stage.agent, &group)?["workload"].clone();
    assert_eq!(shown["signals"]["throttled_ns"], throttled);
    let limit = scrape.nanos("trimtab_workload_cpu_limit", &[own])? / 1000;
    assert_eq!(shown["cpu"]["limit"]["micro_cpus"], limit);
    assert_eq!(limit, QUOTA * 1_000_000 / PERIOD);
    let info = [
        "trimtab_workload_policy=\"metrics\"",
        "trimtab_workload_mode=\"observe\"",
        own,
    ];
    scrape.value("trimtab_workload_info", &info)?;
    scrape.value("trimtab_workload_lifts_total", &[own])?;
    if shown["signals"]["waiting_p50_ns"].is_null() {
        skip("the probe runq-latency is off");
    } else {
        let behind = scrape.value("trimtab_workload_cpu_waiting_seconds_count", &[own])?;
        let throttled = scrape.value(
            "trimtab_workload_cpu_throttled_waiting_seconds_count",
            &[own],
        )?;
        assert!(behind + throttled > 0.0);
    }
    stage.lint()
}

#[test]
fn a_scrape_tells_of_the_node_and_of_the_agent() -> Result<()> {
    let Some(group) = group("metrics-node") else {
        return Ok(());
    };
    let stage = stage(group.path(), 50)?;
    let scrape = stage.comes_to(|scrape| {
        Ok(scrape.value("trimtab_node_workloads", &["mode=\"observe\""])? > 0.0)
    })?;
    let status = stage.agent.cli(&["status"])?;
    let capacity = status["pools"][0]["capacity"]["micro_cpus"].as_f64();
    let parts: f64 = scrape.values("trimtab_pool_cpu", &[]).iter().sum();
    let off = parts * 1e6 - capacity.context("a capacity")?;
    // What others use may be more than what is left; then the parts are more than the whole.
    assert!(off >= -2.0, "{parts} CPUs");
    let all = scrape.values("trimtab_probe_state", &[]);
    let probes = status["probes_on"]
        .as_u64()
        .zip(status["probes_off"].as_u64());
    let probes = probes.map(|(on, off)| on + off).context("probes")?;
    assert_eq!(
        all.iter().filter(|state| **state > 0.5).count() as u64,
        probes
    );
    assert_eq!(
        scrape.values("trimtab_probe_info", &[]).len() as u64,
        probes
    );
    assert!(scrape.value("process_cpu_time_seconds_total", &[])? > 0.0);
    assert!(scrape.value("process_memory_usage_bytes", &[])? > 1e6);
    assert!(scrape.value("trimtab_agent_tick_duration_seconds", &[])? > 0.0);
    let doctor = stage.agent.cli(&["doctor"])?;
    let doctor = doctor.as_array().context("findings")?;
    let ours = doctor
        .iter()
        .find(|finding| finding["name"] == "prometheus");
    assert_eq!(ours.context("no finding")?["state"], "on");
    Ok(())
}

#[test]
fn those_without_a_name_are_told_together_and_none_is_forgotten() -> Result<()> {
    let Some(root) = group("metrics-many") else {
        return Ok(());
    };
    let mut children = Vec::new();
    for number in 0..4 {
        children.push(root.child(&format!("c{number}"))?);
    }
    let stage = stage(&format!("{}/*", root.path()), 2)?;
    let adopted = eventually(SOON, || {
        stage
            .agent
            .cli(&["status"])
            .is_ok_and(|status| status["observed"] == 4)
    });
    assert!(adopted, "{}", stage.agent.log());
    for (child, time) in children.iter().zip(["900ms", "900ms", "50ms", "50ms"]) {
        burn(child, time)?;
    }
    let mut used = Vec::new();
    for child in &children {
        used.push(child.cpu_stat_at_rest()?.usage_ns);
    }
    let other = "trimtab_workload_path=\"other\"";
    let all: u64 = used.iter().sum();
    let named = |scrape: &Scrape| -> Result<Vec<usize>> {
        let names = (0..children.len())
            .filter(|place| !scrape.values(TIME, &[&path(&children[*place])]).is_empty());
        Ok(names.collect())
    };
    let scrape = stage.comes_to(|scrape| {
        let mut told = scrape.nanos(TIME, &[other])?;
        for place in named(scrape)? {
            told += scrape.nanos(TIME, &[&path(&children[place])])?;
        }
        Ok(told == all)
    })?;
    assert_eq!(named(&scrape)?.len(), 2);
    assert_eq!(scrape.values(TIME, &[]).len(), 3);
    let unnamed = scrape.value("trimtab_node_workloads_unnamed", &[])?;
    assert!((unnamed - 2.0).abs() < 0.5, "{unnamed}");

    // One that is told together goes, and what it did stays.
    let before = scrape.nanos(TIME, &[other])?;
    let named: BTreeSet<_> = named(&scrape)?.into_iter().collect();
    let goes = (0..4)
        .rev()
        .find(|place| !named.contains(place))
        .context("one")?;
    drop(children.remove(goes));
    let scrape = stage.comes_to(|scrape| {
        let unnamed = scrape.value("trimtab_node_workloads_unnamed", &[])?;
        Ok((unnamed - 1.0).abs() < 0.5)
    })?;
    assert_eq!(scrape.nanos(TIME, &[other])?, before);
    Ok(())
}

#[test]
fn an_address_that_is_taken_is_said_and_stops_nothing() -> Result<()> {
    let Some(group) = group("metrics-taken") else {
        return Ok(());
    };
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let agent = Agent::start(&config(group.path(), 50, taken.local_addr()?))?;
    let findings = agent.cli(&["doctor"])?;
    let findings = findings.as_array().context("findings")?;
    let ours = findings
        .iter()
        .find(|finding| finding["name"] == "prometheus");
    let ours = ours.context("no finding")?;
    assert_eq!(ours["state"], "off", "{ours}");
    assert!(
        ours["why"]
            .as_str()
            .is_some_and(|why| why.contains("in use")),
        "{ours}"
    );
    Ok(())
}
