//! Google's cluster trace of 2011, tasks of a job summed to a machine per day: 288 values of 300 s a row.
//!
//! No header; the first field is the name, values are percent of the machine. `cpu.csv` and `mem.csv` have the
//! same rows. Only what stays within 5 to 90 % was published.

use std::path::Path;

use super::wide::{Shape, Wide};
use crate::replay::{error::ReadError, series::Quantity};

const SHAPE: Shape = Shape {
    names: 1,
    step: 300_000_000_000,
};

/// Opens `cpu.csv`, and `mem.csv` beside it where that is there.
pub(super) fn open(path: &Path) -> Result<Wide, ReadError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let memory = path.with_file_name(name.replacen("cpu", "mem", 1));
    let mut files = vec![(Quantity::Cpu, path)];
    if memory != path && memory.exists() {
        files.push((Quantity::Memory, &memory));
    }
    Wide::open(SHAPE, &files)
}
