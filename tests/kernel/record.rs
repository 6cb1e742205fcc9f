//! A recording of a live agent: what it decided comes out again, another policy is told apart from
//! it, and neither a killed agent nor a full disk does harm.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use trimtab_tests::{Agent, Burst, Group, Process, eventually, lab_bin, skip};

use crate::trust::{TIGHT, adopted, group};

const MIB: u64 = 1 << 20;
/// How long limits may take to be lifted and trimmed again; emulation is slow.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the slow loop goes by in these tests: ten ticks a second, and little patience.
fn policy(root: &Group, more: &str) -> String {
    format!(
        "[[policy]]\nname = \"recorded\"\nselect = [\"{}/*\"]\nmode = \"enforce\"\nwarm_up = \"0s\"\n\
         cooldown = \"0s\"\ncut_interval = \"0s\"\nwindow = \"5s\"\nchanges_per_minute = 60\n{more}\n",
        root.path()
    )
}

fn config(root: &Group, directory: &Path, more: &str) -> String {
    format!(
        "[agent]\ntick = \"100ms\"\n[record]\nenabled = true\ndirectory = \"{}\"\n{}",
        directory.display(),
        policy(root, more)
    )
}

/// A directory of recordings, and an agent that makes one.
fn recorded(root: &Group) -> Result<Option<(Agent, TempDir)>> {
    let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
    let agent = Agent::start(&config(root, directory.path(), ""))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(None);
    }
    Ok(Some((agent, directory)))
}

/// One burst that is throttled without a lift, and one growth that is killed without.
fn burst_and_grow(agent: &Agent, root: &Group, name: &str) -> Result<()> {
    let bursts = root.child(&format!("bursts-{name}"))?;
    bursts.set_quota_us(Some(TIGHT), 100_000)?;
    let grows = root.child(&format!("grows-{name}"))?;
    grows.set_memory_limit(Some(64 * MIB))?;
    adopted(agent, &bursts, TIGHT)?;
    let mut burst = Burst::prepare(2, Duration::from_millis(700))?;
    burst.join(&bursts)?;
    let mut command = grows.command(lab_bin()?)?;
    let mut growth = Process::spawn(command.args(["grow", "--to", "200MB", "--rate", "100MB"]))?;
    burst.release()?;
    burst.finish()?;
    ensure!(
        growth.wait()?.success(),
        "the growth failed\n{}",
        agent.log()
    );
    // What was lent goes back when it is not used any more: by decisions of the slow loop.
    let trimmed = eventually(PATIENCE, || {
        let journal = agent.cli(&["explain", bursts.path(), "--last", "100"]);
        let trim = |entry: &Value| entry["kind"] == "decision" && entry["written"] == true;
        journal.is_ok_and(|journal| journal.as_array().is_some_and(|all| all.iter().any(trim)))
    });
    ensure!(trimmed, "nothing was ever trimmed\n{}", agent.log());
    Ok(())
}

/// What `trimtab record verify` says, and whether it calls that a success.
fn verify(agent: &Agent, arguments: &[&str]) -> Result<(bool, Value)> {
    let mut command = agent.command(&["record", "verify", "--json"])?;
    let output = command.args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let verdict = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{command:?}: {} {said}", output.status))?;
    Ok((output.status.success(), verdict))
}

fn sum(verdict: &Value, field: &str) -> u64 {
    let segments = verdict["segments"].as_array();
    let numbers = segments.into_iter().flatten();
    numbers.filter_map(|segment| segment[field].as_u64()).sum()
}

#[test]
fn what_a_live_agent_decided_comes_out_again() -> Result<()> {
    let Some(root) = group("record") else {
        return Ok(());
    };
    let Some((mut agent, directory)) = recorded(&root)? else {
        return Ok(());
    };
    burst_and_grow(&agent, &root, "one")?;
    let place = directory.path().to_string_lossy();
    // While it records, too.
    let (good, verdict) = verify(&agent, &[])?;
    ensure!(good && verdict["identical"] == true, "{verdict:#}");
    burst_and_grow(&agent, &root, "two")?;
    agent.stop()?;
    let (good, verdict) = verify(&agent, &[&place])?;
    ensure!(good && verdict["identical"] == true, "{verdict:#}");
    let found = ["ticks", "decisions", "lifts"].map(|field| sum(&verdict, field));
    ensure!(
        found[0] > 20 && found[1] > 1 && found[2] > 2,
        "[ticks, decisions, lifts] {found:?}\n{verdict:#}"
    );
    assert_eq!(sum(&verdict, "torn_bytes"), 0, "{verdict:#}");

    // The same policy decides the same; another one does not, and says where and why.
    let other = directory.path().join("other.toml");
    fs::write(&other, policy(&root, ""))?;
    let (_, verdict) = verify(&agent, &[&place, "--policy", &other.to_string_lossy()])?;
    let policy_says = &verdict["policy"];
    assert_eq!(
        policy_says["differences"],
        Value::Array(Vec::new()),
        "{policy_says:#}"
    );
    fs::write(&other, policy(&root, "cpu.floor = 0.4"))?;
    let (good, verdict) = verify(&agent, &[&place, "--policy", &other.to_string_lossy()])?;
    ensure!(
        good,
        "the recording itself is as good as before: {verdict:#}"
    );
    let differences = verdict["policy"]["differences"]
        .as_array()
        .context("a list")?;
    ensure!(!differences.is_empty(), "{verdict:#}");
    for difference in differences {
        let path = difference["path"].as_str().unwrap_or_default();
        ensure!(path.starts_with(root.path()), "{difference:#}");
        for side in ["recorded", "changed"] {
            let why = difference[side]["why"].as_str().unwrap_or_default();
            ensure!(!why.is_empty(), "{difference:#}");
        }
        assert_ne!(difference["recorded"]["to"], difference["changed"]["to"]);
    }
    Ok(())
}

#[test]
fn an_agent_that_is_killed_while_it_records_loses_a_tick_at_most() -> Result<()> {
    let Some(root) = group("record-killed") else {
        return Ok(());
    };
    let Some((mut agent, directory)) = recorded(&root)? else {
        return Ok(());
    };
    let child = root.child("one")?;
    child.set_quota_us(Some(TIGHT), 100_000)?;
    adopted(&agent, &child, TIGHT)?;
    let first = directory.path().join("0000000001.trimrec");
    let grown = eventually(PATIENCE, || {
        first.metadata().is_ok_and(|file| file.len() > 1000)
    });
    ensure!(grown, "nothing is recorded\n{}", agent.log());
    agent.kill_all()?;
    // Wherever it was killed: the last frame has lost its end.
    let bytes = fs::read(&first)?;
    let torn = &bytes[..bytes.len() - 3];
    fs::write(&first, torn)?;
    agent.restart()?;
    let place = directory.path().to_string_lossy().into_owned();
    let second = directory.path().join("0000000002.trimrec");
    let goes_on = eventually(PATIENCE, || {
        second.metadata().is_ok_and(|file| file.len() > 0)
    });
    ensure!(goes_on, "no new segment\n{}", agent.log());
    let recording = &agent.cli(&["status"])?["recording"];
    let why = recording["why"].as_str().unwrap_or_default();
    ensure!(why.contains("cut off"), "{recording}\n{}", agent.log());
    let (good, verdict) = verify(&agent, &[&place])?;
    ensure!(good && verdict["identical"] == true, "{verdict:#}");
    assert!(fs::metadata(&first)?.len() < torn.len() as u64, "cut");
    assert_eq!(verdict["segments"][0]["torn_bytes"], 0, "{verdict:#}");
    ensure!(
        verdict["segments"][0]["ticks"].as_u64() > Some(0),
        "{verdict:#}"
    );
    Ok(())
}

#[test]
fn a_full_disk_is_said_and_stops_nothing() -> Result<()> {
    let Some(root) = group("record-full") else {
        return Ok(());
    };
    let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
    let place = directory.path().display();
    // A disk of one page, in the agent's own mount namespace.
    let script = format!("mount -t tmpfs -o size=4k tmpfs '{place}' && exec \"$@\"");
    let wrapper = ["unshare", "--mount", "sh", "-c", &script, "sh"].map(Into::into);
    let config = config(&root, directory.path(), "");
    let agent = Agent::start_by(wrapper.into(), &config)?;
    let mut last = Value::Null;
    let full = eventually(PATIENCE, || {
        last = agent.cli(&["status"]).unwrap_or_default();
        let recording = &last["recording"];
        let why = recording["why"].as_str().unwrap_or_default();
        recording["state"] == "off" && why.contains("No space left on device")
    });
    ensure!(full, "{:#}\n{}", last["recording"], agent.log());
    // It goes on with its work.
    let child = root.child("one")?;
    child.set_quota_us(Some(TIGHT), 100_000)?;
    adopted(&agent, &child, TIGHT)?;
    Ok(())
}

#[test]
fn a_recording_is_started_and_stopped_while_the_agent_runs() -> Result<()> {
    let Some(root) = group("record-switch") else {
        return Ok(());
    };
    let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
    let place = directory.path().join("made");
    let off = config(&root, &place, "").replace("enabled = true", "enabled = false");
    let mut agent = Agent::start(&off)?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(());
    }
    // There is a workload before: it is in the state with which the recording begins.
    let before = root.child("before")?;
    before.set_quota_us(Some(TIGHT), 100_000)?;
    adopted(&agent, &before, TIGHT)?;
    assert!(!place.exists(), "nothing is recorded yet");
    assert!(agent.cli(&["record", "stop"]).is_err(), "nothing to stop");
    start(&agent, 1)?;
    burst_and_grow(&agent, &root, "one")?;
    stop(&agent, &place)?;
    start(&agent, 2)?;
    stop(&agent, &place)?;
    let (good, verdict) = verify(&agent, &[&place.to_string_lossy()])?;
    ensure!(good && verdict["identical"] == true, "{verdict:#}");
    let segments = verdict["segments"].as_array().context("segments")?;
    assert_eq!(segments.len(), 2, "{verdict:#}");
    for segment in segments {
        assert_eq!(segment["continuous"], Value::Null, "{verdict:#}");
        assert_eq!(segment["torn_bytes"], 0, "{verdict:#}");
    }
    let found = ["ticks", "decisions", "lifts"].map(|field| segments[0][field].as_u64());
    ensure!(found.iter().all(|count| *count > Some(0)), "{verdict:#}");
    let history = agent.cli(&["history", "bursts-one", &place.to_string_lossy()])?;
    let steps = history["steps"].as_array().context("steps")?;
    let lifts = steps
        .iter()
        .filter_map(|step| step["cpu"]["lifts"].as_u64());
    ensure!(lifts.sum::<u64>() > 0, "{history:#}");
    // It was for this agent only.
    agent.stop()?;
    agent.restart()?;
    assert_eq!(agent.cli(&["status"])?["recording"], Value::Null);
    Ok(())
}

/// Starts a recording, of which so many segments are on disk then.
fn start(agent: &Agent, segments: usize) -> Result<()> {
    let started = agent.cli(&["record", "start"])?;
    assert_eq!(started["on"], true, "{started}");
    assert_eq!(started["configured"], false, "{started}");
    assert_eq!(started["segments"], segments, "{started}");
    assert_eq!(started["trouble"], Value::Null, "{started}");
    assert!(agent.cli(&["record", "start"]).is_err(), "it is on");
    assert_eq!(agent.cli(&["status"])?["recording"]["state"], "on");
    Ok(())
}

/// Ends it: all of it is on disk then.
fn stop(agent: &Agent, place: &Path) -> Result<()> {
    let stopped = agent.cli(&["record", "stop"])?;
    assert_eq!(stopped["on"], false, "{stopped}");
    let mut written = 0;
    for file in fs::read_dir(place)? {
        written += file?.metadata()?.len();
    }
    assert_eq!(stopped["bytes"], written, "{stopped}");
    assert_eq!(agent.cli(&["status"])?["recording"], Value::Null);
    Ok(())
}
