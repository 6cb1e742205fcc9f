//! What types cannot say: ranges, and what contradicts what.

mod agent;
mod bounds;
mod cpu;
mod entitlement;
mod identity;
mod matching;
mod memory;
mod policy;
mod record;
mod report;
mod shadow;
mod visible;

use std::ops::{Range, RangeInclusive};

use serde_spanned::Spanned;
use trimtab_core::signal::Nanos;

use super::{
    node::Node, raw::File, report::Problem, schema::Config, select::Selector, units::Duration,
};

/// Checks a whole file and finds everything that is wrong.
pub(super) fn check(file: File, source: &str, node: Option<Node>) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker {
        source,
        node,
        problems: Vec::new(),
    };
    let identity = checker.identity(file.identity);
    let config = Config {
        agent: checker.agent(file.agent),
        fast: checker.fast(file.fast),
        probes: checker.probes(file.probes),
        gpu: checker.gpu(file.gpu),
        energy: checker.energy(file.energy),
        anomalies: agent::anomalies(file.anomalies),
        record: checker.record(file.record),
        report: checker.report(&file.report),
        policies: checker.policies(file.policy, &identity),
        identity,
    };
    if checker.problems.is_empty() {
        return Ok(config);
    }
    checker
        .problems
        .sort_by_key(|problem| (problem.line, problem.column));
    Err(checker.problems)
}

/// Collects problems; where there is one, the default stands in, so that the rest is checked too.
struct Checker<'a> {
    source: &'a str,
    node: Option<Node>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Notes a problem.
    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems
            .push(Problem::new(self.source, span, message, remedy));
    }

    /// A whole number within a range.
    fn whole(
        &mut self,
        key: Option<&Spanned<i64>>,
        name: &str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(key) = key else { return default };
        match u32::try_from(*key.get_ref()) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                self.wrong(
                    key.span(),
                    format!("`{name}` of {} is out of range", key.get_ref()),
                    format!("write {} to {}", range.start(), range.end()),
                );
                default
            }
        }
    }

    /// A duration within a range.
    fn duration(
        &mut self,
        key: Option<&Spanned<Duration>>,
        name: &str,
        range: RangeInclusive<Nanos>,
        default: Nanos,
    ) -> Nanos {
        let Some(key) = key else { return default };
        let value = key.get_ref().0;
        if range.contains(&value) {
            return value;
        }
        self.wrong(
            key.span(),
            format!("`{name}` of {} is out of range", human(value)),
            format!(
                "write \"{}\" to \"{}\"",
                human(*range.start()),
                human(*range.end())
            ),
        );
        default
    }

    /// Path globs; at least one unless `may_be_empty`.
    fn selector(&mut self, patterns: &[Spanned<String>]) -> Selector {
        let mut good = Vec::new();
        for pattern in patterns {
            let text = pattern.get_ref();
            if text.is_empty() {
                self.wrong(
                    pattern.span(),
                    "the pattern is empty and selects nothing",
                    "write a cgroup path such as \"/system.slice/*.service\", or leave the pattern out",
                );
            } else if !text.starts_with('/') {
                self.wrong(
                    pattern.span(),
                    format!("`{text}` is no absolute cgroup path"),
                    format!("paths begin at the hierarchy's root: write \"/{text}\""),
                );
            } else if text == "/" {
                self.wrong(
                    pattern.span(),
                    "the root cgroup has no limits",
                    "write \"/*\" for the groups right below it, or \"/**\" for all of them",
                );
            } else if let Err(error) = Selector::new(&[text]) {
                self.wrong(
                    pattern.span(),
                    format!("`{text}` is no glob: {}", error.kind()),
                    "`*` stands for a part of one level, `**` for any number of levels, [ab] for one of two \
                     characters, {a,b} for one of two texts; a backslash takes the meaning away",
                );
            } else {
                good.push(text.as_str());
            }
        }
        // Each has been compiled alone, so only their sum could fail, and then none is selected.
        Selector::new(&good).unwrap_or_default()
    }
}

/// A duration as it may be written in the file.
fn human(duration: Nanos) -> String {
    humantime::format_duration(std::time::Duration::from_nanos(duration.0)).to_string()
}
