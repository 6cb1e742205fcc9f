//! Counts of tests, read from what test programs print.

use std::{fmt, ops::AddAssign};

/// How many tests ended in which way; `passed` may be negative until the summary that counts the skipped ones is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: i64,
    pub(crate) failed: i64,
    pub(crate) skipped: i64,
}

impl Count {
    /// Takes in one line of a test program's output.
    pub(crate) fn line(&mut self, line: &str) {
        if line.contains("SKIP: ") {
            // The test's runner counts it as passed.
            self.skipped += 1;
            self.passed -= 1;
            return;
        }
        let Some((_, counts)) = line.split_once("test result: ") else {
            return;
        };
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
    pub(crate) fn fail(&mut self) {
        self.failed += 1;
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_summaries_and_takes_the_skipped_from_the_passed() {
        let mut count = Count::default();
        for line in [
            "test a ... SKIP: no eBPF here",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.02s",
            "noise",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
        ] {
            count.line(line);
        }
        assert_eq!(count.to_string(), "7 passed, 1 failed, 2 skipped");
    }
}
