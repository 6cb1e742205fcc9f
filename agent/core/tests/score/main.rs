//! Scores: what they say of runs that are plain to see, and what holds for all of them.

mod plain;
mod properties;
