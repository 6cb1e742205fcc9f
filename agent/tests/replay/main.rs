//! Readers of history: every format, every repair, every refusal.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod any;
mod bad;
mod columns;
mod configured;
mod formats;
mod large;
mod recording;
mod repairs;
mod run;
mod tell;
mod together;
mod traces;
mod tune;
