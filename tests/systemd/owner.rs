//! Who owns a group is what systemd says, and what it says may not be done is not.

use anyhow::{Result, ensure};
use trimtab_tests::eventually;

use crate::unit::{SOON, Unit, enforce, systemctl};

#[test]
fn a_pattern_may_select_units_since_systemd_is_told() -> Result<()> {
    let Some(unit) = Unit::service("pattern", "CPUQuota=10%")? else {
        return Ok(());
    };
    let agent = enforce(&["/system.slice/trimtab-pattern*"])?;
    let shown = unit.adopted(&agent, 100_000)?;
    ensure!(shown["mode"] == "enforce", "{shown:#}");
    let says = "systemd (trimtab-pattern.service), which is told of each limit";
    let mut owner = String::new();
    let said = eventually(SOON, || {
        owner = agent.cli(&["show", unit.path()]).map_or_else(
            |error| error.to_string(),
            |shown| shown["workload"]["owner"].to_string(),
        );
        owner.contains(says)
    });
    ensure!(said, "{owner}\n{}", agent.log());
    Ok(())
}

#[test]
fn what_an_administrator_has_set_for_good_stays() -> Result<()> {
    let Some(unit) = Unit::service("pinned", "MemoryMax=256M")? else {
        return Ok(());
    };
    systemctl(&["set-property", unit.name(), "CPUQuota=10%"])?;
    let before = unit.held()?;
    let mut agent = enforce(&[unit.path()])?;
    let mut owner = String::new();
    let said = eventually(SOON, || {
        owner = agent.cli(&["show", unit.path()]).map_or_else(
            |error| error.to_string(),
            |shown| shown["workload"]["owner"].to_string(),
        );
        owner.contains("its administrator has set CPUQuotaPerSecUSec for good, which stays")
    });
    ensure!(said, "{owner}\n{}", agent.log());
    unit.burst()?;
    ensure!(
        unit.quota()? == 100_000,
        "{}\n{}",
        unit.quota()?,
        agent.log()
    );
    agent.stop()?;
    assert_eq!(unit.held()?, before, "{}", agent.log());
    Ok(())
}
