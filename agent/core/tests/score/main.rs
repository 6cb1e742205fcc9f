//! Scores: what they say of runs that are plain to see, and what holds for all of them.

mod judge;
mod plain;
mod properties;
