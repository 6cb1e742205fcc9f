//! Configuration in the documents.

use trimtab::config::{Config, Policy};

use super::documents;

/// The blocks of a text that are marked as TOML.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_toml_block_is_a_good_configuration() {
    let mut seen = 0;
    for (path, text) in documents() {
        for block in blocks(&text) {
            if let Err(invalid) = Config::parse(block, &path.display().to_string()) {
                panic!("{invalid}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} blocks were found");
}

/// A policy of which everything is default but what `keys` say.
fn policy(keys: &str) -> Policy {
    let text = format!("[[policy]]\nname = \"p\"\nselect = [\"/p\"]\n{keys}\n");
    let config =
        Config::parse(&text, "a policy's page").unwrap_or_else(|invalid| panic!("{invalid}"));
    config.policies.into_iter().next().unwrap()
}

/// The keys and defaults of a page's tables: rows that begin with names in backquotes.
fn defaults(text: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let keys = cells[1]
            .split(", ")
            .map(|key| key.trim_matches('`').to_owned());
        rows.extend(keys.zip(cells[2].split(", ").map(ToOwned::to_owned)));
    }
    rows
}

#[test]
fn the_defaults_in_the_policies_pages_are_the_defaults() {
    let mut seen = 0;
    for (path, text) in documents() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let Some(kind) = name.strip_prefix("POLICY-") else {
            continue;
        };
        let kind = match kind {
            // An objective has no default.
            "slo" => "kind = \"slo\"\nrequest_p99 = \"50ms\"".to_owned(),
            // Memory has its policy beside the one of the workload.
            "memory" => "memory.policy = \"pressure\"".to_owned(),
            // CPU has its own, too.
            "weight" => "cpu.policy = \"weight\"".to_owned(),
            _ => format!("kind = \"{kind}\""),
        };
        for (key, value) in defaults(&text) {
            // The page's own default is to be off.
            let own = ["cpu.policy", "memory.policy"].contains(&key.as_str());
            let kind = if own { "" } else { &kind };
            let mut written = policy(&format!("{kind}\n{key} = {value}"));
            // What is written down counts as asked for.
            for bounds in [&mut written.cpu, &mut written.memory]
                .into_iter()
                .flatten()
            {
                bounds.default_floor = true;
            }
            assert_eq!(written, policy(kind), "{}: {key} = {value}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen} defaults were found");
}
