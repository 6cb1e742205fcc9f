//! The unit that is packaged: systemd takes it as it is, and it leaves the agent what it needs.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use trimtab::act::limit_file::LimitFile;
use trimtab_tests::{eventually, skip, trimtab_bin};

use crate::unit::{SOON, Unit, in_guest, policy, systemctl};

const TEXT: &str = include_str!("../../packaging/systemd/trimtab.service");
/// Where it says that the program is.
const PROGRAM: &str = "/usr/bin/trimtab";
/// How long it may take under an emulation until the agent is up.
const START: Duration = Duration::from_secs(30);

#[test]
fn systemd_finds_nothing_wrong_with_the_packaged_unit() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("trimtab.service");
    let program = trimtab_bin()?.display().to_string();
    fs::write(&file, TEXT.replace(PROGRAM, &program))?;
    let mut command = Command::new("systemd-analyze");
    let Ok(output) = command.args(["verify", "--man=no"]).arg(&file).output() else {
        skip("no systemd-analyze here: `cargo xtask setup --for test` installs systemd");
        return Ok(());
    };
    let silent = output.stdout.is_empty() && output.stderr.is_empty();
    ensure!(output.status.success() && silent, "{output:?}");
    Ok(())
}

/// The packaged unit, installed until the next boot; dropping it stops it and takes it away.
struct Packaged;

impl Packaged {
    const UNIT: &str = "/run/systemd/system/trimtab.service";
    const CONFIG: &str = "/etc/trimtab";
    const LOG: &str = "/run/trimtab-packaged.log";

    fn start(config: &str) -> Result<Self> {
        let packaged = Self;
        fs::create_dir_all(Self::CONFIG)?;
        fs::write(Path::new(Self::CONFIG).join("trimtab.toml"), config)?;
        fs::write(Self::UNIT, TEXT)?;
        let drop_in = format!("{}.d", Self::UNIT);
        fs::create_dir_all(&drop_in)?;
        let log = format!("[Service]\nStandardError=append:{}\n", Self::LOG);
        fs::write(Path::new(&drop_in).join("log.conf"), log)?;
        systemctl(&["daemon-reload"])?;
        systemctl(&["start", "trimtab.service"])?;
        Ok(packaged)
    }

    /// What the agent shows of a workload.
    fn show(workload: &str) -> Result<Value> {
        let mut command = Command::new(trimtab_bin()?);
        let output = command.args(["--json", "show", workload]).output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn log() -> String {
        fs::read_to_string(Self::LOG).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Packaged {
    fn drop(&mut self) {
        let _ = systemctl(&["stop", "trimtab.service"]);
        let _ = fs::remove_file(Self::UNIT);
        let _ = fs::remove_dir_all(format!("{}.d", Self::UNIT));
        let _ = fs::remove_dir_all(Self::CONFIG);
        let _ = fs::remove_file(Self::LOG);
        let _ = systemctl(&["daemon-reload"]);
    }
}

#[test]
fn the_packaged_agent_may_put_everything_back() -> Result<()> {
    if !in_guest("installs the packaged unit") {
        return Ok(());
    }
    let Some(unit) = Unit::service("packaged", "CPUQuota=10%\nMemoryMax=256M")? else {
        return Ok(());
    };
    let before = unit.held()?;
    // On a fresh host nobody has told systemd anything; where somebody has, they are not empty and stay.
    for directory in ["system.control", "transient"] {
        let _ = fs::remove_dir(Path::new("/run/systemd").join(directory));
    }
    let packaged = Packaged::start(&policy(&[unit.path()], 1.0))?;
    let adopted = eventually(START, || {
        Packaged::show(unit.path()).is_ok_and(|shown| {
            let workload = &shown["workload"];
            workload["mode"] == "enforce" && workload["cpu"]["original"]["micro_cpus"] == 100_000
        })
    });
    let log = Packaged::log;
    ensure!(adopted, "{:?}\n{}", Packaged::show(unit.path()), log());
    unit.burst()?;
    // It is told, and so there is a drop-in, which only somebody who may write there removes.
    let drop_in = unit.drop_in(LimitFile::CpuMax)?;
    let told = eventually(SOON, || drop_in.exists());
    ensure!(
        told && unit.quota()? > 100_000,
        "{}\n{}",
        unit.quota()?,
        log()
    );
    systemctl(&["stop", "trimtab.service"])?;
    assert_eq!(unit.held()?, before, "{}", log());
    ensure!(!drop_in.exists(), "{}", log());
    drop(packaged);
    Ok(())
}
