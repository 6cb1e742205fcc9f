//! `trimtab run` beside a real agent: the command is lifted like any workload, what it ends with is
//! passed on, and nothing of it stays.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use trimtab_tests::{Agent, Hierarchies, eventually, hear_interrupts, lab_bin, skip};

use crate::{
    restore::ledger,
    trust::{SOON, group},
};

/// The parent of all groups of `trimtab run`.
const PARENT: &str = "trimtab.run";
/// CPU time of the command, in ns, and the same as `lab` reads it.
const USED: u64 = 60_000_000;
const BURST: &str = "60ms";

/// An agent whose only policy is this one; `None`, with a loud line, where no group can be made or
/// no probe be loaded.
fn agent(policy: &str) -> Result<Option<Agent>> {
    if group("run").is_none() {
        return Ok(None);
    }
    let agent = Agent::start(&format!(
        "[[policy]]\n{policy}\ntrim = false\ncpu = {{ floor = 0.5 }}\n"
    ))?;
    if agent.cli(&["status"])?["probes_on"] == 0 {
        skip("no probe can be loaded here");
        return Ok(None);
    }
    Ok(Some(agent))
}

/// Selects nothing, so that the built-in policy of runs has them.
const BUILT_IN: &str = "name = \"none\"\nselect = [\"/trimtab-test-none\"]\nmode = \"enforce\"";

/// A burst that outgrows the limit it begins with.
fn burst(agent: &Agent, name: &str, json: bool) -> Result<Output> {
    let mut command = agent.command(&["run", "--name", name, "--cpu-max", "0.1"])?;
    command.args(json.then_some("--json")).arg("--");
    let command = command.arg(lab_bin()?).args(["burn", "--for", BURST]);
    Ok(command.stdin(Stdio::null()).output()?)
}

/// The summary: the last line of stderr.
fn summary(output: &Output) -> Result<Value> {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("no summary in `{text}`"))
}

/// Asserts that neither a group, nor a workload, nor an original of the command is left.
fn nothing_is_left(agent: &Agent, name: &str) -> Result<()> {
    for root in Hierarchies::find()?.roots() {
        let groups = std::fs::read_dir(root.join(PARENT)).into_iter().flatten();
        for group in groups {
            let left = group?.file_name();
            assert!(
                !left.to_string_lossy().starts_with(name),
                "{} is left",
                left.display()
            );
        }
    }
    if agent.guardian().is_some() {
        assert_eq!(agent.cli(&["workloads"])?, Value::Array(Vec::new()));
    }
    assert_eq!(ledger(agent)?, Vec::<Value>::new());
    Ok(())
}

/// A run whose command has said that it is there.
struct Running {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Starts a shell that does this and then waits for signals.
    fn start(agent: &Agent, name: &str, script: &str) -> Result<Self> {
        let mut command = agent.command(&["run", "--json", "--name", name, "--cpu-max", "0.1"])?;
        let script = format!("{script}; echo ready; while :; do sleep 0.02; done");
        command.args(["--", "sh", "-c", &script]);
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        hear_interrupts(command);
        let mut child = command.spawn()?;
        let output = child.stdout.take().context("no output")?;
        let mut running = Self {
            child,
            output: BufReader::new(output),
        };
        let mut line = String::new();
        running.output.read_line(&mut line)?;
        ensure!(line == "ready\n", "`{line}` instead of being ready");
        Ok(running)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("no pid")
    }

    /// Waits for its end: how it ended, and what its command had still said.
    fn end(mut self) -> Result<(Output, String)> {
        let ended = eventually(2 * SOON, || matches!(self.child.try_wait(), Ok(Some(_))));
        if !ended {
            // The command too, which holds on to the output.
            kill_process_group(self.pid()?, Signal::KILL)?;
        }
        let mut rest = String::new();
        self.output.read_to_string(&mut rest)?;
        let output = self.child.wait_with_output()?;
        ensure!(ended, "it did not end: {output:?}");
        Ok((output, rest))
    }
}

#[test]
fn a_run_is_lifted_and_told_what_it_would_have_needed() -> Result<()> {
    let Some(agent) = agent(BUILT_IN)? else {
        return Ok(());
    };
    // The built-in policy guarantees next to nothing: what a run is lifted by, the pool lends.
    let roomy = eventually(2 * SOON, || {
        let status = agent.cli(&["status"]).unwrap_or_default();
        status["pools"][0]["size"]["micro_cpus"].as_u64() > Some(500_000)
    });
    assert!(roomy, "this node is too busy to have a pool");
    let output = burst(&agent, "test-lift", true)?;
    let told = summary(&output)?;
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(told["adopted"], true, "{told}");
    assert!(told["lifts"].as_u64() >= Some(1), "{told}\n{}", agent.log());
    assert!(told["cpu_ns"].as_u64() >= Some(USED), "{told}");
    // More than the limit that it began with, which is what it is run for.
    assert!(told["needed_micro_cpus"].as_u64() > Some(100_000), "{told}");
    assert!(told["needed_bytes"].as_u64() >= Some(1 << 20), "{told}");
    assert_eq!(told["waited_source"], "runq", "{told}");
    nothing_is_left(&agent, "test-lift")?;

    let output = burst(&agent, "test-lift", false)?;
    let text = String::from_utf8(output.stderr)?;
    for words in [
        "trimtab run: ",
        " ended with 0 after ",
        " used, ",
        " behind others for a CPU",
        " peak, page cache included",
        "--cpu-max ",
        " --memory-max ",
    ] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    assert!(
        text.contains(" lift, ") || text.contains(" lifts, "),
        "{text}"
    );
    nothing_is_left(&agent, "test-lift")
}

#[test]
fn a_run_without_an_agent_is_held_to_its_limit_and_told_so() -> Result<()> {
    let Some(mut agent) = agent(BUILT_IN)? else {
        return Ok(());
    };
    agent.stop()?;
    let told = summary(&burst(&agent, "test-alone", true)?)?;
    assert_eq!(told["not_adopted_because"], "no agent answers", "{told}");
    assert_eq!(told["lifts"], Value::Null, "{told}");
    assert!(told["throttled_periods"].as_u64() > Some(0), "{told}");
    assert_eq!(told["need_may_be_larger"], true, "{told}");

    let text = String::from_utf8(burst(&agent, "test-alone", false)?.stderr)?;
    for words in [
        "going on without an agent: no agent answers on ",
        "throttled ",
        " or more: a limit held it back",
        "not managed: no agent answers",
    ] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    nothing_is_left(&agent, "test-alone")
}

#[test]
fn signals_and_exit_codes_pass_while_an_agent_manages_the_run() -> Result<()> {
    let Some(agent) = agent(BUILT_IN)? else {
        return Ok(());
    };
    for (script, signal, code, said) in [
        (
            "trap 'echo caught; exit 9' TERM",
            Signal::TERM,
            9,
            "caught\n",
        ),
        (
            "trap 'echo caught; exit 8' USR1",
            Signal::USR1,
            8,
            "caught\n",
        ),
        ("true", Signal::INT, 128 + 2, ""),
    ] {
        let running = Running::start(&agent, "test-signal", script)?;
        let shown = agent.cli(&["show", "test-signal"])?;
        assert_eq!(shown["workload"]["policy"], "run", "{shown}");
        assert_eq!(shown["workload"]["mode"], "enforce", "{shown}");
        running.signal(signal)?;
        let (output, rest) = running.end()?;
        assert_eq!((output.status.code(), rest.as_str()), (Some(code), said));
        assert_eq!(summary(&output)?["exit_code"], code);
        nothing_is_left(&agent, "test-signal")?;
    }
    Ok(())
}

#[test]
fn an_agent_that_stops_takes_nothing_from_a_run() -> Result<()> {
    let Some(mut agent) = agent(BUILT_IN)? else {
        return Ok(());
    };
    let running = Running::start(&agent, "test-stopped", "trap 'exit 9' TERM")?;
    agent.stop()?;
    running.signal(Signal::TERM)?;
    let (output, _) = running.end()?;
    let told = summary(&output)?;
    assert_eq!(output.status.code(), Some(9), "{told}");
    assert_eq!(told["adopted"], false, "{told}");
    let why = told["not_adopted_because"].as_str();
    assert!(why.is_some_and(|why| why.contains("agent")), "{told}");
    nothing_is_left(&agent, "test-stopped")
}

/// The kernel's word of a new group and the run's own come in any order.
#[test]
fn the_policy_that_has_the_groups_of_runs_goes_before_that_of_runs() -> Result<()> {
    let select = format!("name = \"runs\"\nselect = [\"/{PARENT}/*\"]");
    let Some(agent) = agent(&format!("{select}\nmode = \"recommend\""))? else {
        return Ok(());
    };
    for _ in 0..5 {
        let told = summary(&burst(&agent, "test-told", true)?)?;
        assert_eq!(
            (&told["adopted"], &told["lifts"]),
            (&true.into(), &0.into())
        );
        assert!(told["throttled_periods"].as_u64() > Some(0), "{told}");
    }
    nothing_is_left(&agent, "test-told")?;
    agent.configure(&format!(
        "[[policy]]\n{select}\nmode = \"enforce\"\ncpu = {{ floor = 0.5 }}\n"
    ))?;
    let before = agent.cli(&["status"])?["journal_seq"].clone();
    agent.signal(Signal::HUP)?;
    let read = eventually(SOON, || {
        agent
            .cli(&["status"])
            .is_ok_and(|status| status["journal_seq"] != before)
    });
    assert!(read, "{}", agent.log());
    let told = summary(&burst(&agent, "test-told", true)?)?;
    assert!(told["lifts"].as_u64() >= Some(1), "{told}\n{}", agent.log());
    nothing_is_left(&agent, "test-told")
}
