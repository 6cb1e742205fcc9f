//! What the command line calls: the guarded agent, and what works without one.

use std::{path::Path, process::ExitCode, time::Instant};

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt};

use super::{
    energy_view::energy_finding, gpu_view::gpu_finding, gpus, identity_view::identity_findings,
    start,
};
use crate::{
    act::{
        guardian::{RESTORE_WITHIN, guard, is_guarded, join, restore_leftovers},
        restore::{Report, Value},
    },
    api::view::{Finding, FindingState, Restored},
    config::Config,
    identity::watch::Watch,
    sense::{energy::Energy, gpu::PATIENCE, hierarchy::Hierarchies, scheduler::Scheduler},
};

/// Runs the agent under its guardian: the first process guards, the second one works.
///
/// # Errors
/// What keeps an agent from starting.
pub fn agent(config: Config, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("TRIMTAB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    if is_guarded() {
        join().context("cannot tie the agent to its guardian")?;
        return start::agent(config, path);
    }
    let ended = guard(&config.agent.runtime_directory, std::env::args_os().skip(1))
        .context("cannot guard the agent")?;
    match &ended.report {
        Some(Ok(report)) => tracing::warn!(
            "the agent ended without putting limits back; its guardian has: {report}"
        ),
        Some(Err(error)) => {
            tracing::error!("limits could not be put back: {error}; `trimtab restore` tries again");
        }
        None => {}
    }
    Ok(ExitCode::from(ended.code()))
}

/// Puts back what the ledger holds, while no agent runs.
///
/// # Errors
/// The ledger cannot be used, or an agent holds it.
pub fn restore(config: &Config) -> anyhow::Result<Vec<Restored>> {
    let deadline = Instant::now() + RESTORE_WITHIN;
    let Some(report) = restore_leftovers(&config.agent.runtime_directory, deadline)? else {
        return Ok(Vec::new());
    };
    let Report {
        restored,
        pending,
        foreign,
        ledger,
        ..
    } = report;
    if let Some(error) = ledger {
        anyhow::bail!(error);
    }
    let shown = |done: bool, note: &'static str| {
        move |value: Value| Restored {
            path: format!("/{}", value.group),
            file: value.file.to_string(),
            now: value.now,
            original: value.original,
            done,
            note: value.why.unwrap_or_else(|| note.into()),
        }
    };
    Ok(restored
        .into_iter()
        .map(shown(true, ""))
        .chain(pending.into_iter().map(shown(false, "")))
        .chain(
            foreign
                .into_iter()
                .map(shown(false, "set by somebody else since, left alone")),
        )
        .collect())
}

/// Finds out what this host allows, without a running agent: probes are loaded and dropped again.
///
/// # Errors
/// None so far: what does not work is a finding.
pub fn doctor(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let (_probes, status) = start::load(config);
    let mut findings: Vec<_> = status.iter().map(super::view::probe_finding).collect();
    findings.push(super::view::quota_finding(&Scheduler::now()));
    let hierarchies = Hierarchies::detect();
    let watch = hierarchies.as_ref().ok().filter(|_| config.gpu.enabled);
    let watch = watch.and_then(|hierarchies| gpus::watch(&config.gpu, hierarchies));
    findings.push(match &hierarchies {
        Ok(hierarchies) => super::view::hierarchy_finding(hierarchies),
        Err(error) => Finding {
            area: "cgroups".into(),
            name: "hierarchies".into(),
            state: FindingState::Off,
            why: error.to_string(),
            remedy: "mount cgroup2 at /sys/fs/cgroup".into(),
        },
    });
    let energy = &config.energy;
    let energy = energy.enabled.then(|| Energy::open(&energy.powercap));
    findings.push(energy_finding(energy.as_ref()));
    // A moment longer, so that a driver that is silent is called so.
    let patience = PATIENCE + PATIENCE / 10;
    let identity = &config.identity;
    let who = identity
        .enabled
        .then(|| Watch::spawn(identity.addresses()).ok());
    let heard = watch.map(|watch| watch.first(patience));
    findings.push(gpu_finding(heard.as_ref()));
    let heard = who.flatten().map(|watch| watch.first(patience));
    findings.extend(identity_findings(heard));
    Ok(findings)
}
