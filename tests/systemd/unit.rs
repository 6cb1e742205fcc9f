//! Units of a test's own, and what systemd and the kernel hold for them.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab::act::{
    limit_file::LimitFile,
    systemd::{bus::Bus, property::drop_in},
};
use trimtab_tests::{Agent, Process, eventually, lab_bin, skip};

/// How long the agent, systemd and an emulation may take over anything that is done at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Where systemd listens.
pub(crate) const BUS: &str = "/run/dbus/system_bus_socket";
/// Units that only this boot knows.
const UNITS: &str = "/run/systemd/system";
const ROOT: &str = "/sys/fs/cgroup";
/// What an agent must put back.
const LIMITS: &str = "CPUQuotaPerSecUSec,CPUQuotaPeriodUSec,CPUWeight,MemoryHigh,MemoryMax,MemoryLow,MemoryMin,TasksMax";

/// What changes by itself in all that systemd shows, and what it works out anew when it is executed again.
const UNSTEADY: [&str; 8] = [
    "CPUUsageNSec",
    "Memory",
    "TasksCurrent",
    "IO",
    "IP",
    "Effective",
    "ExecMain",
    "ControlGroupId",
];

/// A unit that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Unit {
    name: String,
    path: String,
    /// What holds a scope.
    _held: Option<Process>,
}

/// Whether systemd is the first process, on cgroup v2 and a bus.
pub(crate) fn is_here() -> bool {
    let first = fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim() == "systemd");
    first && Path::new(BUS).exists() && Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The same; says loudly if not.
fn can_test() -> bool {
    let here = is_here();
    if !here {
        skip(
            "systemd is not the first process here, or not on cgroup v2: `cargo xtask vm systemd` has a guest where it is",
        );
    }
    here
}

/// Whether this is the guest, where systemd and the whole host are the tests' own; says loudly if not what only
/// happens there.
pub(crate) fn in_guest(what: &str) -> bool {
    let there = Path::new("/guest-systemd.sh").exists();
    if !there {
        skip(&format!(
            "{what} only in the guest: `cargo xtask vm systemd`"
        ));
    }
    there
}

impl Unit {
    /// A service with these settings.
    pub(crate) fn service(name: &str, settings: &str) -> Result<Option<Self>> {
        let text = format!("[Service]\nExecStart=/bin/sleep 10000\n{settings}\n");
        Self::of_file(&format!("trimtab-{name}.service"), "/system.slice", &text)
    }

    /// A slice with these settings.
    pub(crate) fn slice(name: &str, settings: &str) -> Result<Option<Self>> {
        let text = format!("[Slice]\n{settings}\n");
        // A dash would make it a slice within another.
        Self::of_file(&format!("trimtab{name}.slice"), "", &text)
    }

    fn of_file(name: &str, parent: &str, text: &str) -> Result<Option<Self>> {
        if !can_test() {
            return Ok(None);
        }
        fs::create_dir_all(UNITS)?;
        fs::write(Path::new(UNITS).join(name), text)?;
        let unit = Self {
            name: name.to_owned(),
            path: format!("{parent}/{name}"),
            _held: None,
        };
        systemctl(&["daemon-reload"])?;
        systemctl(&["start", name])?;
        ensure!(unit.dir().exists(), "{name} has no group");
        Ok(Some(unit))
    }

    /// A scope with a setting, in a slice.
    pub(crate) fn scope(name: &str, slice: &str, setting: &str) -> Result<Option<Self>> {
        if !can_test() {
            return Ok(None);
        }
        let name = format!("trimtab-{name}.scope");
        let mut command = Command::new("systemd-run");
        command.args(["--scope", "--quiet", "--unit", &name, "--slice", slice]);
        command.args(["--property", setting, "/bin/sleep", "10000"]);
        let held = Process::spawn(&mut command)?;
        let unit = Self {
            path: format!("/{slice}/{name}"),
            name,
            _held: Some(held),
        };
        let procs = unit.dir().join("cgroup.procs");
        let runs = || fs::read_to_string(&procs).is_ok_and(|pids| !pids.is_empty());
        ensure!(eventually(SOON, runs), "{} does not run", unit.name);
        Ok(Some(unit))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its group, as policies select it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn dir(&self) -> PathBuf {
        PathBuf::from(format!("{ROOT}{}", self.path))
    }

    /// What a file of its group holds.
    pub(crate) fn file(&self, name: &str) -> Result<String> {
        let path = self.dir().join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    /// The quota that the kernel holds, in micro-CPUs.
    pub(crate) fn quota(&self) -> Result<u64> {
        self.quota_reader()()
    }

    /// What reads that, for another thread.
    pub(crate) fn quota_reader(&self) -> impl Fn() -> Result<u64> + Send + use<> {
        let path = self.dir().join("cpu.max");
        move || {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let amount = LimitFile::CpuMax.amount(&text, None);
            Ok(amount.with_context(|| text.clone())?.0)
        }
    }

    /// What systemd holds for a file.
    pub(crate) fn told(&self, file: LimitFile) -> Result<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let unit = runtime.block_on(async {
            let bus = Bus::connect(Path::new(BUS)).await?;
            bus.unit_of(&self.name).await
        })?;
        unit.values.get(&file).copied().context("no such property")
    }

    /// All that systemd shows of its limits, and the kernel of its files.
    pub(crate) fn held(&self) -> Result<String> {
        let output = Command::new("systemctl")
            .args(["show", &self.name, "--property", LIMITS])
            .output()?;
        ensure!(output.status.success(), "systemctl show: {output:?}");
        let shown = String::from_utf8(output.stdout)?;
        // Where nothing is set there may be no controller.
        let files = ["cpu.max", "cpu.weight", "memory.high", "memory.max"]
            .map(|file| format!("{file}={}", self.file(file).unwrap_or_default()));
        Ok(shown + &files.join("\n"))
    }

    /// Everything that systemd shows of it and that stands still.
    pub(crate) fn shown(&self) -> Result<String> {
        let output = Command::new("systemctl")
            .args(["show", &self.name])
            .output()?;
        ensure!(output.status.success(), "systemctl show: {output:?}");
        let shown = String::from_utf8(output.stdout)?;
        let steady = |line: &&str| !UNSTEADY.iter().any(|name| line.starts_with(name));
        // Its lists of other units have no order.
        let sorted = |line: &str| {
            let mut words: Vec<_> = line.split(['=', ' ']).collect();
            words.sort_unstable();
            words.join(" ")
        };
        let lines: Vec<_> = shown.lines().filter(steady).map(sorted).collect();
        Ok(format!("{}\n{}", lines.join("\n"), self.held()?))
    }

    /// Uses more CPU time than a quota below one CPU has in a period.
    pub(crate) fn burst(&self) -> Result<()> {
        self.lab(&["burn", "--for", "150ms"])
    }

    /// Runs `lab ARGUMENTS` in its group.
    pub(crate) fn lab(&self, arguments: &[&str]) -> Result<()> {
        let status = self.lab_command(arguments)?.status()?;
        ensure!(status.success(), "{arguments:?} ended with {status}");
        Ok(())
    }

    /// The same, without waiting for its end.
    pub(crate) fn begin_lab(&self, arguments: &[&str]) -> Result<Process> {
        Process::spawn(&mut self.lab_command(arguments)?)
    }

    fn lab_command(&self, arguments: &[&str]) -> Result<Command> {
        let procs = self.dir().join("cgroup.procs");
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(procs)
            .arg(lab_bin()?)
            .args(arguments)
            .stdout(Stdio::null());
        Ok(command)
    }

    /// Bursts and waits until the quota is another; what it is then.
    pub(crate) fn lift(&self, agent: &Agent) -> Result<u64> {
        let before = self.quota()?;
        self.burst()?;
        let lifted = eventually(SOON, || self.quota().is_ok_and(|now| now > before));
        ensure!(
            lifted,
            "a burst of {} under {before} was not answered\n{}",
            self.name,
            agent.log()
        );
        self.quota()
    }

    /// Waits until systemd holds what the kernel does, a quota that we moved rounded up to whole per cent of a CPU.
    pub(crate) fn agrees(&self, agent: &Agent) -> Result<u64> {
        let mut last = None;
        let mut agrees = || -> Result<bool> {
            let (quota, told) = (self.quota()?, self.told(LimitFile::CpuMax)?);
            last = Some((quota, told));
            let rounded = quota.div_ceil(10_000).saturating_mul(10_000);
            Ok(told == quota || told == rounded.max(10_000))
        };
        let same = eventually(SOON, || agrees().unwrap_or(false));
        ensure!(
            same,
            "{}: the kernel and systemd hold {last:?}\n{}",
            self.name,
            agent.log()
        );
        Ok(last.context("never looked")?.1)
    }

    /// The drop-in in which systemd keeps what it was told for a file until the next boot.
    pub(crate) fn drop_in(&self, file: LimitFile) -> Result<PathBuf> {
        let drop_ins = Path::new("/run/systemd/system.control").join(format!("{}.d", self.name));
        Ok(drop_ins.join(drop_in(file).context("no such property")?))
    }

    /// Waits until the kernel holds the quota that the agent believes in; what that is.
    pub(crate) fn holds_ours(&self, agent: &Agent) -> Result<u64> {
        let believed = || {
            let shown = agent.cli(&["show", &self.path]).ok()?;
            shown["workload"]["cpu"]["limit"]["micro_cpus"].as_u64()
        };
        let ours = eventually(SOON, || believed() == self.quota().ok());
        let quota = self.quota()?;
        ensure!(
            ours,
            "{} holds {quota} instead of {:?}\n{}",
            self.name,
            believed(),
            agent.log()
        );
        Ok(quota)
    }

    /// Waits until its quota is no lower than it was lifted to.
    pub(crate) fn keeps(&self, agent: &Agent, lifted: u64) -> Result<()> {
        let there = eventually(SOON, || self.quota().is_ok_and(|now| now >= lifted));
        let quota = self.quota()?;
        ensure!(there, "{lifted} became {quota}\n{}", self.story(agent));
        Ok(())
    }

    /// What the agent has done about it, and its log: why a test has failed.
    pub(crate) fn story(&self, agent: &Agent) -> String {
        let explained = agent.cli(&["explain", &self.path]);
        let explained = explained.map_or_else(|error| error.to_string(), |why| format!("{why:#}"));
        format!("{explained}\n{}", agent.log())
    }

    /// What the agent shows of it, once it is a workload whose original quota is this one.
    pub(crate) fn adopted(&self, agent: &Agent, micro_cpus: u64) -> Result<Value> {
        let mut last = Value::Null;
        let adopted = eventually(SOON, || {
            last = agent
                .cli(&["show", &self.path])
                .map_or(Value::Null, |shown| shown["workload"].clone());
            last["cpu"]["original"]["micro_cpus"] == micro_cpus && last["mode"] == "enforce"
        });
        ensure!(
            adopted,
            "{} is not adopted at {micro_cpus}: {last:#}\n{}",
            self.name,
            agent.log()
        );
        Ok(last)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // What is left of it is in the way of later tests only if they use its name.
        let _ = systemctl(&["stop", &self.name]);
        let _ = fs::remove_file(Path::new(UNITS).join(&self.name));
        for root in ["/etc/systemd", "/run/systemd"] {
            let drop_ins = format!("{root}/system.control/{}.d", self.name);
            let _ = fs::remove_dir_all(drop_ins);
        }
        let _ = systemctl(&["daemon-reload"]);
    }
}

/// Says something to people, past the capture of test output.
pub(crate) fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

/// `systemctl ARGUMENTS`.
pub(crate) fn systemctl(arguments: &[&str]) -> Result<()> {
    let output = Command::new("systemctl").args(arguments).output()?;
    ensure!(
        output.status.success(),
        "systemctl {arguments:?}: {output:?}"
    );
    Ok(())
}

/// What an agent does that enforces on what these patterns select, quick to look, with this floor of CPU and a ceiling
/// of one. What is lent beyond the floor is called in when the guest's two CPUs are short.
pub(crate) fn policy(select: &[&str], floor: f32) -> String {
    format!(
        "[agent]\ntick = \"200ms\"\n[probes]\noff = [\"loan-delays\"]\n[[policy]]\nname = \"units\"\nselect = {select:?}\nmode = \"enforce\"\n\
         trim = false\ncpu = {{ floor = {floor}, ceiling = 1 }}\n"
    )
}

/// Such an agent, that calls nothing in: what it has lifted stays so, since up to the ceiling it is set aside.
pub(crate) fn enforce(select: &[&str]) -> Result<Agent> {
    Agent::start(&policy(select, 1.0))
}

/// One unit of each kind, the first with a fraction of a per cent of a CPU; `None` where there is no systemd.
#[derive(Debug)]
pub(crate) struct Kinds {
    pub(crate) service: Unit,
    pub(crate) scope: Unit,
    /// In the slice.
    inside: Unit,
    pub(crate) slice: Unit,
}

impl Kinds {
    pub(crate) fn start(name: &str, memory: &str) -> Result<Option<Self>> {
        let settings = format!("CPUQuota=12.5%\nMemoryMax={memory}");
        let Some(service) = Unit::service(name, &settings)? else {
            return Ok(None);
        };
        let Some(slice) = Unit::slice(name, "CPUQuota=10%")? else {
            return Ok(None);
        };
        let inside = Unit::scope(&format!("{name}inside"), slice.name(), "CPUWeight=100")?;
        let scope = Unit::scope(name, "system.slice", "CPUQuota=10%")?;
        let (Some(inside), Some(scope)) = (inside, scope) else {
            return Ok(None);
        };
        // What systemd makes of a unit when it reads it again is not what an agent makes of it.
        systemctl(&["daemon-reload"])?;
        Ok(Some(Self {
            service,
            scope,
            inside,
            slice,
        }))
    }

    /// The three, each with the one in which it bursts.
    pub(crate) const fn each(&self) -> [(&Unit, &Unit); 3] {
        [
            (&self.service, &self.service),
            (&self.slice, &self.inside),
            (&self.scope, &self.scope),
        ]
    }

    /// How policies select them.
    pub(crate) fn paths(&self) -> [&str; 3] {
        self.each().map(|(unit, _)| unit.path())
    }

    /// What [`Unit::held`] says of each.
    pub(crate) fn held(&self) -> Result<Vec<String>> {
        self.each().iter().map(|(unit, _)| unit.held()).collect()
    }

    /// What [`Unit::shown`] says of each.
    pub(crate) fn shown(&self) -> Result<Vec<String>> {
        self.each().iter().map(|(unit, _)| unit.shown()).collect()
    }
}
