//! The arbiter: against a solver of linear programs, and by what makes it fair.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod examples;
mod instance;
mod optimum;
mod program;
mod properties;
