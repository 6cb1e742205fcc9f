//! An agent on a host with GPUs: what it says of them, whose they are, and that it never waits for their driver.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trimtab_tests::{Agent, Group, Nvml, Process, eventually};

use crate::{
    ready::Ready,
    trust::{SOON, group, policy, promised, show},
};

/// A GiB.
const GIB: u64 = 1 << 30;

/// An agent that observes what is in the group, and asks this library.
fn agent(root: &Group, library: &Path) -> Result<Agent> {
    Agent::start(&format!(
        "[agent]\ntick = \"200ms\"\n[gpu]\nlibrary = \"{}\"\n{}",
        library.display(),
        policy(&format!("{}/**", root.path()), "observe")
    ))
}

/// What `status` says about GPUs.
fn gpus(agent: &Agent) -> Result<Value> {
    Ok(agent.cli(&["status"])?["gpus"].clone())
}

/// What a command prints for people.
fn text(agent: &Agent, arguments: &[&str]) -> Result<String> {
    let output = agent.command(arguments)?.output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// A process that does nothing in a group.
fn sleeper(group: &Group) -> Result<Process> {
    Process::spawn(group.command("sleep")?.arg("600"))
}

/// Waits until a value is as it should be.
fn becomes(agent: &Agent, wanted: &Value, mut value: impl FnMut() -> Result<Value>) -> Result<()> {
    let mut last = Value::Null;
    let found = eventually(promised(SOON), || {
        last = value().unwrap_or(Value::Null);
        last == *wanted
    });
    ensure!(found, "{last:#} instead of {wanted:#}\n{}", agent.log());
    Ok(())
}

#[test]
fn gpus_and_whose_they_are_are_shown() -> Result<()> {
    let Some(root) = group("gpu-shares") else {
        return Ok(());
    };
    // On v2 processes are in leaves only.
    let outer = root.child("outer")?;
    let (inner, beside) = (outer.child("inner")?, root.child("beside")?);
    let (one, two, other) = (sleeper(&inner)?, sleeper(&inner)?, sleeper(&beside)?);
    let process = |pid, memory, used| json!({ "pid": pid, "memory": memory, "used_percent": used });
    let nvml = Nvml::new(&json!({ "devices": [
        {
            "uuid": "GPU-a", "name": "NVIDIA Test", "used_percent": 60, "memory": [9 * GIB, 80 * GIB],
            "power_mw": 310_000, "throttle_bits": 4,
            "compute": [
                process(one.id(), GIB, 10), process(two.id(), 2 * GIB, 25),
                process(other.id(), 4 * GIB, 5), process(std::process::id(), 2 * GIB, 20),
            ],
        },
        { "fail": { "nvmlDeviceGetHandleByIndex_v2": 15 }},
    ]}))?;
    let agent = agent(&root, &nvml.library())?;
    let share = |memory: u64, used: u64| json!([{ "index": 0, "memory_bytes": memory, "used_percent": used, "waits_for_cpu": false }]);
    for (group, wanted) in [
        (&inner, share(3 * GIB, 35)),
        (&beside, share(4 * GIB, 5)),
        // What is below is not counted twice.
        (&outer, json!([])),
    ] {
        becomes(&agent, &wanted, || {
            Ok(show(&agent, group)?["workload"]["gpus"].clone())
        })?;
    }
    let shown = gpus(&agent)?;
    assert_eq!(shown["driver"], "here");
    let [device, lost] = &shown["devices"].as_array().context("devices")?[..] else {
        panic!("{shown:#}");
    };
    assert_eq!(lost["state"], "lost");
    for (key, wanted) in [
        ("uuid", json!("GPU-a")),
        ("state", json!("here")),
        ("used_percent", json!(60)),
        ("memory_used_bytes", json!(9 * GIB)),
        ("memory_total_bytes", json!(80 * GIB)),
        ("power_milliwatts", json!(310_000)),
        ("throttled_by", json!(["sw-power-cap"])),
        ("temperature_celsius", Value::Null),
        ("processes", json!(4)),
        // This test itself is in none of the groups.
        ("unattributed_memory_bytes", json!(2 * GIB)),
        ("unattributed_percent", json!(20)),
        ("mps", json!(false)),
        ("waits_for_cpu", json!([])),
    ] {
        assert_eq!(device[key], wanted, "{key}: {device:#}");
    }
    let status = text(&agent, &["status"])?;
    assert!(status.contains("NVIDIA Test"), "{status}");
    assert!(status.contains("slowed by sw-power-cap"), "{status}");
    let one = text(&agent, &["show", inner.path()])?;
    assert!(one.contains("3 GiB") && one.contains("35 %"), "{one}");
    let doctor = text(&agent, &["doctor"])?;
    assert!(doctor.contains("1 of 2 answer"), "{doctor}");
    Ok(())
}

#[test]
fn a_gpu_that_waits_for_a_cpu_is_said_to() -> Result<()> {
    let Some(root) = group("gpu-waits") else {
        return Ok(());
    };
    let (busy, calm) = (root.child("busy")?, root.child("calm")?);
    busy.set_quota_us(Some(10_000), 100_000)?;
    let mut spinner = Ready::spinner(&busy)?;
    let pids = std::fs::read_to_string(busy.cpu_dir().join("cgroup.procs"))?;
    let spinner_pid: u32 = pids.trim().parse().context("one process")?;
    let idle = sleeper(&calm)?;
    let script = |used: u32| {
        json!({ "devices": [{
            "uuid": "GPU-a", "used_percent": used,
            "compute": [{ "pid": spinner_pid, "memory": GIB }, { "pid": idle.id(), "memory": GIB }],
        }]})
    };
    let nvml = Nvml::new(&script(0))?;
    let agent = agent(&root, &nvml.library())?;
    let waits = || Ok(gpus(&agent)?["devices"][0]["waits_for_cpu"].clone());
    let flag = |group| Ok(show(&agent, group)?["workload"]["gpus"][0]["waits_for_cpu"].clone());
    becomes(&agent, &json!(false), || flag(&busy))?;
    spinner.go()?;
    becomes(&agent, &json!([busy.path()]), waits)?;
    becomes(&agent, &json!(true), || flag(&busy))?;
    assert_eq!(flag(&calm)?, false, "it has nothing to do");
    // Each tick says it anew, by what it has seen itself.
    becomes(&agent, &json!(true), || {
        Ok(text(&agent, &["status"])?
            .contains("waits for a CPU")
            .into())
    })?;
    // A device that is used waits for nobody.
    nvml.follow(&script(80))?;
    becomes(&agent, &json!([]), waits)
}

#[test]
fn a_gpu_driver_that_hangs_holds_up_nothing() -> Result<()> {
    let Some(root) = group("gpu-hangs") else {
        return Ok(());
    };
    let leaf = root.child("leaf")?;
    let mut spinner = Ready::spinner(&leaf)?;
    let script = |hang_ms: u64| {
        let device = json!({ "uuid": "GPU-a", "name": "NVIDIA Test", "used_percent": 60 });
        json!({ "devices": [device], "hang_ms": { "nvmlDeviceGetPowerUsage": hang_ms }})
    };
    let nvml = Nvml::new(&script(0))?;
    let agent = agent(&root, &nvml.library())?;
    becomes(&agent, &json!("here"), || {
        Ok(gpus(&agent)?["driver"].clone())
    })?;
    nvml.follow(&script(10_000))?;
    becomes(&agent, &json!("silent"), || {
        Ok(gpus(&agent)?["driver"].clone())
    })?;
    let began = Instant::now();
    nvml.follow(&script(0))?;
    let status = text(&agent, &["status"])?;
    assert!(status.contains("does not answer since"), "{status}");
    assert!(
        status.contains("NVIDIA Test"),
        "the last answer stays: {status}"
    );
    // The use of a workload is what a tick has read, so ticks go on.
    let used = || Ok(show(&agent, &leaf)?["workload"]["cpu"]["used"]["micro_cpus"].clone());
    let used = || -> Result<u64> { used().map(|used: Value| used.as_u64().unwrap_or(0)) };
    assert!(used()? < 100_000);
    spinner.go()?;
    let ticked = eventually(promised(Duration::from_secs(2)), || {
        used().is_ok_and(|used| used > 300_000)
    });
    assert!(ticked, "no tick since the driver hangs\n{}", agent.log());
    // A status is answered between two ticks, and so no sooner than a tick ends.
    let mut longest = Duration::ZERO;
    while gpus(&agent)?["driver"] == "silent" && began.elapsed() < Duration::from_secs(12) {
        let start = Instant::now();
        agent.cli(&["status"])?;
        longest = longest.max(start.elapsed());
    }
    assert!(began.elapsed() > Duration::from_secs(3), "it did not hang");
    assert!(longest < promised(Duration::from_secs(1)), "{longest:?}");
    becomes(&agent, &json!("here"), || {
        Ok(gpus(&agent)?["driver"].clone())
    })?;
    assert_eq!(gpus(&agent)?["silent_ns"], Value::Null);
    Ok(())
}

#[test]
fn an_agent_whose_gpu_driver_hangs_stops_in_order() -> Result<()> {
    let Some(root) = group("gpu-stops") else {
        return Ok(());
    };
    let nvml = Nvml::new(&json!({ "hang_ms": { "nvmlInit_v2": 60_000 }}))?;
    let mut agent = agent(&root, &nvml.library())?;
    becomes(&agent, &json!("silent"), || {
        Ok(gpus(&agent)?["driver"].clone())
    })?;
    let doctor = text(&agent, &["doctor"])?;
    assert!(doctor.contains("does not answer since"), "{doctor}");
    let start = Instant::now();
    agent.stop()?;
    let took = start.elapsed();
    assert!(took < promised(Duration::from_secs(2)), "{took:?}");
    Ok(())
}

#[test]
fn without_a_gpu_driver_there_is_no_word_of_one() -> Result<()> {
    let Some(root) = group("gpu-none") else {
        return Ok(());
    };
    let library = Path::new("/nowhere/libnvidia-ml.so.1");
    let agent = agent(&root, library)?;
    becomes(&agent, &json!("none"), || {
        Ok(gpus(&agent)?["driver"].clone())
    })?;
    assert_eq!(gpus(&agent)?["devices"], json!([]));
    let status = text(&agent, &["status"])?.to_lowercase();
    assert!(!status.contains("gpu"), "{status}");
    let findings = agent.cli(&["doctor"])?;
    let findings = findings.as_array().context("findings")?;
    let about: Vec<_> = findings.iter().filter(|one| one["area"] == "gpu").collect();
    assert_eq!((about.len(), &about[0]["state"]), (1, &json!("none")));

    agent.configure(&format!(
        "[gpu]\nenabled = true\nlibrary = \"{}\"",
        library.display()
    ))?;
    let alone = trimtab_tests::trimtab_bin()?;
    let mut doctor = Command::new(alone);
    doctor.arg("--config").arg(agent.config());
    doctor.args(["--socket", "/nowhere/socket", "doctor"]);
    let said = String::from_utf8(doctor.output()?.stdout)?;
    assert!(said.contains("no driver"), "{said}");
    Ok(())
}
