//! What is lost without each hook: what needs it says so, and all else stays as it is.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use trimtab::probe::{Probe, ProbeStatus, State};

use crate::probe_support::{load, turn};

/// How each probe stands without these hooks; `None`, with a loud line, where no probe can be had.
fn stand(detached: &[&str]) -> Option<Vec<ProbeStatus>> {
    load(&Probe::ALL, detached).map(|(probes, _ring)| probes.status().to_vec())
}

/// The probes on whose figures it lives.
fn lives_on(probe: Probe) -> &'static [Probe] {
    match probe {
        Probe::LoanDelays => &[Probe::RunqLatency, Probe::QuotaNear],
        Probe::SoftirqTime => &[Probe::RunqLatency],
        _ => &[],
    }
}

/// Whether it is nothing, or not all that it was, without the hook.
fn needs(probe: Probe, hook: &str) -> bool {
    // Without a hook at the start of some waits there are others to live on.
    let others = lives_on(probe).iter();
    let others = others.filter(|_| !hook.starts_with("sched_wakeup"));
    let mut all = std::iter::once(&probe).chain(others);
    all.any(|probe| probe.hooks().contains(&hook))
}

#[test]
fn without_a_hook_what_needs_it_says_so_and_all_else_stays() -> Result<()> {
    let _turn = turn();
    let Some(whole) = stand(&[]) else {
        return Ok(());
    };
    let hooks: BTreeSet<_> = Probe::ALL.iter().flat_map(|probe| probe.hooks()).collect();
    for hook in hooks {
        let lacking = stand(&[hook]).context("they loaded a moment ago")?;
        for (before, after) in whole.iter().zip(&lacking) {
            let probe = after.probe;
            if !needs(probe, hook) || before.state == State::Off {
                ensure!(before == after, "{probe} without {hook}: {after:?}");
                continue;
            }
            let named = |other: &Probe| after.why.contains(other.name());
            ensure!(
                after.state != State::On
                    && (after.why.contains(hook) || lives_on(probe).iter().any(named)),
                "{probe} without {hook}: {after:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn without_all_of_its_hooks_it_is_off_whichever_goes_first() -> Result<()> {
    let _turn = turn();
    for (probe, hooks) in [
        (Probe::RunqLatency, ["sched_switch", "sched_wakeup"]),
        (Probe::ThrottledWaking, ["sched_wakeup", "sched_wakeup_new"]),
        (Probe::CgroupLifecycle, ["cgroup_mkdir", "cgroup_rmdir"]),
    ] {
        let Some(stand) = stand(&hooks) else {
            return Ok(());
        };
        let of = stand.iter().find(|status| status.probe == probe);
        let state = of.context("each probe has its state")?.state;
        ensure!(state == State::Off, "{probe} without {hooks:?}: {of:?}");
    }
    Ok(())
}
