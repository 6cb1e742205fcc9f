//! What a workload will need, foreseen from its own past: its trend, and what returns each hour and each day.
//!
//! Each candidate is judged by its rolling error on the workload's own past, beside that of the forecast that
//! nothing will change. One that is not clearly better foresees nothing, so that a workload without pattern is
//! treated as if there were no forecasts. All of it is recursive and in integers: a step takes constant time and
//! memory, and gives the same result on every machine.
//!
//! The candidates are those of exponential smoothing (Hyndman et al., *Forecasting with Exponential Smoothing*,
//! 2008): a damped trend, and a season with or without a level.

mod outlook;
mod season;
mod skill;
mod trend;

pub use outlook::{Foreseen, Outlook, Pattern};
