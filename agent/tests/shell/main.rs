//! The shell around the core, end to end: the local API, the command line, `trimtab run`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod api;
mod cli;
mod fake;
mod run;
mod terminal;
mod top;
mod views;
