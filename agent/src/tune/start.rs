//! The policy that is there already, and what becomes of it in a configuration.

use std::fmt::Write as _;

use toml::{Table, Value};
use trimtab_core::signal::Nanos;

use super::parameter::Parameter;
use crate::config::{Agent, Config, Invalid, Policy};

/// Kinds that can be tuned without a configuration; `memory` is `headroom` that gives memory back.
pub const KINDS: [&str; 5] = ["headroom", "predictive", "slo", "threshold", "memory"];

/// The policy that is there already.
#[derive(Clone, Debug)]
pub struct Start {
    /// What tables call it: its name, or its kind where it has no name of its own.
    pub called: String,
    /// What it says.
    pub policy: Policy,
    /// What the agent beside it keeps to.
    pub agent: Agent,
    /// The same policy as it is written.
    table: Table,
}

/// There is no such policy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such kind.
    #[error("no kind of policy is called `{kind}`; there are {}", KINDS.join(", "))]
    Kind {
        /// What was given.
        kind: String,
    },
    /// The configuration has none of that name.
    #[error("{file} has no policy `{name}`; it has {there}")]
    Name {
        /// The configuration.
        file: String,
        /// What was given.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Start {
    /// One of a kind, with its defaults; `objective` is that of `slo`.
    ///
    /// # Errors
    /// There is no such kind.
    pub fn kind(kind: &str, objective: Nanos) -> Result<Self, StartError> {
        let unknown = || StartError::Kind {
            kind: kind.to_owned(),
        };
        if !KINDS.contains(&kind) {
            return Err(unknown());
        }
        let word = |text: &str| Value::String(text.to_owned());
        let mut table = Table::new();
        table.insert("name".to_owned(), word("tuned"));
        table.insert("select".to_owned(), Value::Array(vec![word("/**")]));
        table.insert("mode".to_owned(), word("recommend"));
        let law = if kind == "memory" { "headroom" } else { kind };
        table.insert("kind".to_owned(), word(law));
        match kind {
            "slo" => {
                let within = Parameter::Window.shown(objective.0);
                table.insert("request_p99".to_owned(), Value::String(within));
            }
            "memory" => {
                let memory = Table::from_iter([("policy".to_owned(), word("pressure"))]);
                table.insert("memory".to_owned(), Value::Table(memory));
            }
            _ => {}
        }
        let config = Config::parse(&written(&table), kind)?;
        let start = Self::of(config, "tuned", table).ok_or_else(unknown)?;
        Ok(Self {
            called: kind.to_owned(),
            ..start
        })
    }

    /// The policy of that name in a configuration, `text` being that of `file`.
    ///
    /// # Errors
    /// There is none, or the configuration is wrong.
    pub fn named(name: &str, text: &str, file: &str) -> Result<Self, StartError> {
        let config = Config::parse(text, file)?;
        let names: Vec<_> = config
            .policies
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let missing = StartError::Name {
            file: file.to_owned(),
            name: name.to_owned(),
            there: if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            },
        };
        // It has been read once already.
        let whole: Table = text.parse().unwrap_or_default();
        let tables = whole.get("policy").and_then(Value::as_array);
        let mut tables = tables.into_iter().flatten().filter_map(Value::as_table);
        let wanted = |table: &&Table| table.get("name").and_then(Value::as_str) == Some(name);
        let Some(table) = tables.find(wanted).cloned() else {
            return Err(missing);
        };
        Self::of(config, name, table).ok_or(missing)
    }

    fn of(config: Config, name: &str, table: Table) -> Option<Self> {
        let policy = config.policies.into_iter().find(|one| one.name == name)?;
        Some(Self {
            called: name.to_owned(),
            policy,
            agent: config.agent,
            table,
        })
    }

    /// The policy with other values, as it stands in a configuration, under a remark.
    #[must_use]
    pub fn fragment(&self, values: &[(Parameter, u64)], remark: &str) -> String {
        let mut table = self.table.clone();
        for (parameter, value) in values {
            parameter.write(&mut table, *value);
        }
        let mut fragment = String::new();
        for line in remark.lines() {
            let _ = writeln!(fragment, "# {line}");
        }
        fragment + &written(&table)
    }
}

/// What stands first, as in `config/trimtab.toml`; the others follow by their names.
const FIRST: [&str; 6] = ["name", "select", "match", "mode", "resources", "kind"];

fn written(policy: &Table) -> String {
    let first = FIRST.iter().filter_map(|key| policy.get_key_value(*key));
    let others = policy
        .iter()
        .filter(|(key, _)| !FIRST.contains(&key.as_str()));
    let mut text = "[[policy]]\n".to_owned();
    for (key, value) in first.chain(others) {
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
[agent.reserve]
cpu = "10%"

[[policy]]
name = "web"
select = ["/web.slice/*"]
match = { namespace = "shop", labels = { app = "front" } }
mode = "enforce"
margin = 30
cpu.floor = "250m"
memory = { policy = "pressure", ceiling = "1GiB" }

[[policy]]
name = "rest"
select = ["/**"]
kind = "threshold"
factor = 1.25
"#;

    #[test]
    fn what_is_not_tuned_stays_as_it_is_written() {
        let start = Start::named("web", CONFIG, "trimtab.toml").unwrap();
        let values = [
            (Parameter::Margin, 40),
            (Parameter::MemoryWindow, 90 * Nanos::SECOND.0),
        ];
        let text = start.fragment(&values, "tuned\non something");
        assert!(
            text.starts_with("# tuned\n# on something\n[[policy]]\n"),
            "{text}"
        );
        let config = Config::parse(&text, "tuned.toml").unwrap();
        let mut wanted = start.policy.clone();
        for (parameter, value) in values {
            parameter.set(&mut wanted, value);
        }
        assert_eq!(config.policies, [wanted]);
        assert_eq!(start.agent, Config::parse(CONFIG, "").unwrap().agent);
    }

    #[test]
    fn nothing_changed_is_what_was_there() {
        for name in ["web", "rest"] {
            let start = Start::named(name, CONFIG, "trimtab.toml").unwrap();
            let config = Config::parse(&start.fragment(&[], ""), "same.toml").unwrap();
            assert_eq!(config.policies, [start.policy]);
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let told = |name| {
            Start::named(name, CONFIG, "trimtab.toml")
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            told("db"),
            "trimtab.toml has no policy `db`; it has web, rest"
        );
        let told = Start::kind("fast", Nanos::SECOND).unwrap_err().to_string();
        assert!(
            told.ends_with("headroom, predictive, slo, threshold, memory"),
            "{told}"
        );
    }
}
