//! Recordings: what goes in comes out again, and what is damaged is found.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod codec;
mod damage;
mod history;
mod strategies;
