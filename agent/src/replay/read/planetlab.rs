//! `PlanetLab`: virtual machines of a research network, ten days of 2011, 288 values of 300 s a row.
//!
//! No header; the first two fields are the day and the machine, values are percent of its CPU.

use std::path::Path;

use super::wide::{Shape, Wide};
use crate::replay::{error::ReadError, series::Quantity};

const SHAPE: Shape = Shape {
    names: 2,
    step: 300_000_000_000,
};

pub(super) fn open(path: &Path) -> Result<Wide, ReadError> {
    Wide::open(SHAPE, &[(Quantity::Cpu, path)])
}
