//! GWA-T-12 Bitbrains: virtual machines of a hosting provider, 300 s, a month, one file each.
//!
//! Use is in MHz and memory is what is *active*, not all that is occupied. Rows with nothing
//! provisioned are of machines that were switched off; the size of many changed on the way.

use std::path::Path;

use super::{known, stem, table::Table};
use crate::replay::{
    error::ReadError,
    series::{CappedBy, Kind},
};

const COLUMNS: &str = "time=t_s:s,cpu=cpu_mhz:MHz,cpu-cap=cpu_cap_mhz:MHz,cores=cpu_cores,\
    memory=mem_kib:KiB,memory-cap=mem_cap_kib:KiB";

pub(super) fn open(path: &Path) -> Result<Table, ReadError> {
    let columns = known(COLUMNS).map_err(|wrong| wrong.at(path, None))?;
    let by = CappedBy::Machine;
    Table::open(path, &columns, stem(path), Some(Kind::Capped { by }))
}
