//! What is found out of the ordinary, when, and how often for nothing.

mod false_alarms;
mod leaks;
mod world;
