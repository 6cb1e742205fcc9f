//! A policy that is asked beside the active one: it holds a limit of its own, and nothing is written by it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use trimtab_tests::{Agent, Group, eventually};

use crate::trust::{TIGHT, adopted, group, journal};

/// A policy must have seen five seconds before it trims anything.
const TRIMMED: Duration = Duration::from_secs(15);

fn config(root: &Group) -> String {
    format!(
        "[agent]\ntick = \"200ms\"\n\
         [[policy]]\nname = \"kept\"\nselect = [\"{0}/kept\"]\nmode = \"enforce\"\n\
         resources = [\"cpu\"]\ntrim = false\nshadow = \"trimmed\"\n\
         [[policy]]\nname = \"trimmed\"\nwarm_up = \"0s\"\ncpu.floor = 0.02\n\
         [[policy]]\nname = \"alone\"\nselect = [\"{0}/alone\"]\nresources = [\"cpu\"]\n",
        root.path()
    )
}

#[test]
fn a_shadow_trims_and_nothing_is_written() -> Result<()> {
    let Some(root) = group("compare") else {
        return Ok(());
    };
    let (kept, alone) = (root.child("kept")?, root.child("alone")?);
    kept.set_quota_us(Some(TIGHT), 100_000)?;
    let agent = Agent::start(&config(&root))?;
    adopted(&agent, &kept, TIGHT)?;

    let mut last = Value::Null;
    let trimmed = eventually(TRIMMED, || {
        last = agent.cli(&["compare", kept.path()]).unwrap_or_default();
        let limit = |whose: &str| last[0][whose]["limit"]["micro_cpus"].as_u64();
        limit("shadow").is_some_and(|shadow| Some(shadow) < limit("active"))
    });
    ensure!(trimmed, "{last:#}\n{}", agent.log());
    let compared = &last[0];
    assert_eq!(compared["path"], kept.path());
    assert_eq!(compared["active"]["policy"], "kept");
    assert_eq!(compared["active"]["changes"], 0);
    assert_eq!(compared["shadow"]["policy"], "trimmed");
    assert!(compared["shadow"]["changes"].as_u64() >= Some(1));
    assert!(compared["compared_ns"].as_u64() >= Some(4_000_000_000));

    assert_eq!(kept.quota_us()?, Some(TIGHT), "what its owner had set");
    let journal = journal(&agent, &kept)?;
    assert!(journal.is_empty(), "{journal:#?}");

    let all = agent.cli(&["compare"])?;
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all:#}");
    let text = agent.command(&["compare"])?.output()?.stdout;
    let text = String::from_utf8(text)?;
    assert!(text.contains("trimmed (shadow)"), "{text}");
    let refused = agent.command(&["compare", alone.path()])?.output()?;
    let said = String::from_utf8(refused.stderr)?;
    assert!(said.contains("nothing is asked beside `alone`"), "{said}");
    Ok(())
}
