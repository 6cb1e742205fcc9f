//! Counts of tests, and what those that failed said, read from what test programs print.

use std::{fmt, mem, ops::AddAssign};

/// Lines that are kept of what one failed test said: the panic and what led to it.
const KEPT: usize = 30;

/// How many tests ended in which way; `passed` may be negative until the summary that counts the skipped ones is read.
#[derive(Debug, Default)]
pub(crate) struct Count {
    passed: i64,
    failed: i64,
    skipped: i64,
    failures: Vec<Failure>,
    /// Whether the lines that come are what the last of `failures` said.
    open: bool,
}

/// What failed, and the first lines that it said about it.
#[derive(Debug)]
struct Failure {
    name: String,
    said: Vec<String>,
}

impl Count {
    /// Tests that were left out.
    pub(crate) fn skipped(tests: usize) -> Self {
        Self {
            skipped: i64::try_from(tests).unwrap_or(i64::MAX),
            ..Self::default()
        }
    }

    /// Whether nothing has failed.
    pub(crate) fn passes(&self) -> bool {
        self.failed == 0
    }

    /// Takes in one line of a test program's output.
    pub(crate) fn line(&mut self, line: &str) {
        if line.contains("SKIP: ") {
            // The test's runner counts it as passed.
            self.skipped += 1;
            self.passed -= 1;
            return;
        }
        if let Some((_, counts)) = line.split_once("test result: ") {
            self.open = false;
            self.result(counts);
        } else if let Some(name) = heading(line) {
            self.failures.push(Failure {
                name: name.to_owned(),
                said: Vec::new(),
            });
            self.open = true;
        } else if line == "failures:" {
            self.open = false;
        } else if let (true, Some(failure)) = (self.open, self.failures.last_mut()) {
            failure.line(line);
        }
    }

    fn result(&mut self, counts: &str) {
        for part in counts.split([';', '.']) {
            let Some((number, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let number: i64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// One failure that no test program counted.
    pub(crate) fn fail(&mut self, name: &str, why: &impl fmt::Display) {
        self.failed += 1;
        self.failures.push(Failure {
            name: name.to_owned(),
            said: why.to_string().lines().map(Into::into).collect(),
        });
    }

    /// Names the stage in which the failures came.
    pub(crate) fn within(mut self, stage: &str) -> Self {
        for failure in &mut self.failures {
            let name = mem::take(&mut failure.name);
            failure.name = format!("{stage}: {name}");
        }
        self
    }

    /// What failed, once more where nobody has to look for it, and the line that sums all up.
    pub(crate) fn conclude(&self) {
        for Failure { name, said } in &self.failures {
            eprintln!("failed: {name}");
            for line in said {
                eprintln!("    {line}");
            }
        }
        println!("{self}");
    }
}

impl Failure {
    fn line(&mut self, line: &str) {
        if self.said.len() < KEPT && !line.is_empty() {
            self.said.push(line.to_owned());
        }
    }
}

/// The test whose output libtest shows after this line.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
            ..
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> Count {
        let mut count = Count::default();
        for line in lines {
            count.line(line);
        }
        count
    }

    #[test]
    fn sums_summaries_and_takes_the_skipped_from_the_passed() {
        let count = count(&[
            "test a ... SKIP: no eBPF here",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.02s",
            "noise",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
        ]);
        assert_eq!(count.to_string(), "7 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn keeps_what_failed_tests_said() {
        let count = count(&[
            "test a ... FAILED",
            "failures:",
            "",
            "---- room::a stdout ----",
            "",
            "thread 'room::a' panicked at room.rs:1:1:",
            "three is not four",
            "---- room::b stdout ----",
            "it is late",
            "",
            "failures:",
            "    room::a",
            "    room::b",
            "test result: FAILED. 0 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
            "noise",
        ])
        .within("unit tests");
        let told: Vec<_> = count
            .failures
            .iter()
            .map(|failure| (failure.name.as_str(), failure.said.join("\n")))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "unit tests: room::a",
                    "thread 'room::a' panicked at room.rs:1:1:\nthree is not four".to_owned()
                ),
                ("unit tests: room::b", "it is late".to_owned()),
            ]
        );
    }

    #[test]
    fn a_stage_that_fails_is_a_failure_with_its_reason() {
        let mut count = Count::default();
        count.fail("lint", &"clippy is not content");
        assert!(!count.passes());
        assert_eq!(count.failures[0].said, ["clippy is not content"]);
    }
}
