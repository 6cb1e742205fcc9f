//! Saying that a test did not run.

use std::io::Write;

/// Says loudly why a test is left out; `cargo xtask test` counts these lines.
///
/// It writes past the capture of test output, which would hide it behind an `ok`.
pub fn skip(why: &str) {
    // A test that cannot be reported as left out has still nothing to test.
    let _ = writeln!(std::io::stderr(), "SKIP: {why}");
}
