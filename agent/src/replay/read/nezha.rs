//! Nezha: pods of two test beds (`OnlineBoutique`, `TrainTicket`) under made load, 60 s, a file per day and
//! service, with faults that were injected.
//!
//! Limits are not in the trace; they follow from use and its part of the limit.

use std::path::Path;

use super::{known, stem, table::Table};
use crate::replay::{
    error::ReadError,
    series::{CappedBy, Kind},
};

const COLUMNS: &str = "time=t_s:s,cpu=cpu_millicores:millicores,cpu-part=cpu_pct_of_limit:%cap,\
    memory=mem_mib:MiB,memory-part=mem_pct_of_limit:%cap,requests=ops_per_s:/s";

pub(super) fn open(path: &Path) -> Result<Table, ReadError> {
    let columns = known(COLUMNS).map_err(|wrong| wrong.at(path, None))?;
    // `2022-08-22_adservice` is the day and the service.
    let name = stem(path).replacen('_', "/", 1);
    let by = CappedBy::Limit;
    Table::open(path, &columns, name, Some(Kind::Capped { by }))
}
