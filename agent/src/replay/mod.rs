//! History to replay: traces read one series at a time, repaired where that is documented and counted,
//! refused with file and line where it is not.
//!
//! What users write and what is repaired: `docs/REPLAY.md`. Data flow one way:
//! [`Source`] (which files) -> rows as they stand in them (`read/`) -> [`Reader`] (repairs) -> [`Sample`].

mod cells;
mod columns;
mod convert;
mod decimal;
mod digest;
mod error;
mod fields;
mod figures;
mod half;
mod index;
mod lines;
mod page;
mod read;
mod reader;
mod repair;
mod run;
mod series;
mod source;
mod unit;

pub use columns::{Columns, ColumnsError};
pub(crate) use digest::Digest;
pub use error::{ReadError, Wrong};
pub use figures::{
    Figures, NodeFigures, PolicyFigures, Prices, Refused, RequestFigures, ResourceFigures,
    SeriesFigures, SourceFigures,
};
pub use half::{Half, half};
pub use page::page;
pub use read::Format;
pub use reader::{LeftOut, Reader};
pub use repair::Repairs;
pub use run::{
    Chosen, Drawing, Each, EachNode, Mark, Options, Point, Policy, Progress, Report, SourceReport,
    State, StateError, Together, UnknownPolicy, draw, replay,
};
pub use series::{CappedBy, Head, Kind, MOST_SAMPLES, Quantity, Sample, Scale, Series};
pub use source::Source;
