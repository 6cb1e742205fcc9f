//! The tuner: looks for parameters of a policy that do better on recorded history than those it has.
//!
//! What users write and what the figures mean: `docs/TUNE.md`. Data flow one way: [`Start`] (which policy) -> [`Space`]
//! (which of its parameters, and what they may be) -> [`tune`] (a `trimtab_core::tune::Search` over all series and one
//! beside it for each fold, with a replay as the judge) -> [`Tuned`] -> [`Figures`], and a policy for a configuration.

mod figures;
mod folds;
mod goal;
mod judge;
mod parameter;
mod run;
mod space;
mod start;
mod tuned;

pub use figures::{Figures, RowFigures};
pub use goal::Goal;
pub use parameter::Parameter;
pub use run::{Options, Progress, TuneError, tune};
pub use space::{NoParameter, Space};
pub use start::{KINDS, Start, StartError};
pub use tuned::{Row, Tuned};
