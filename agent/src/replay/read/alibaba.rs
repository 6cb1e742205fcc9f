//! Alibaba's `GenAI` trace of 2026: pods of a GPU inference cluster, 57 s, a day, one file each.
//!
//! Memory is a part of the container's, whose size is not told; pods without a GPU have memory only.

use std::path::Path;

use super::{known, stem, table::Table};
use crate::replay::{
    error::ReadError,
    series::{CappedBy, Kind},
};

const COLUMNS: &str =
    "time=t_s:s,gpu=gpu_duty_pct:%,gpu-memory=gpu_mem_bytes:B,memory=mem_util_frac:fraction";

pub(super) fn open(path: &Path) -> Result<Table, ReadError> {
    let columns = known(COLUMNS)
        .map_err(|wrong| wrong.at(path, None))?
        .relative();
    let stem = stem(path);
    let name = stem.strip_prefix("pod_").unwrap_or(&stem).to_owned();
    let by = CappedBy::Limit;
    Table::open(path, &columns, name, Some(Kind::Capped { by }))
}
