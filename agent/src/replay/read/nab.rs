//! Numenta Anomaly Benchmark, metrics of cloud machines: 300 s, 4 to 60 days, one metric per file.
//!
//! What a file measures only its name tells. CPU is a part of a machine of unknown size, requests are
//! counted per 5 minutes; bytes on networks and disks are nothing that a limit is set for.

use std::path::Path;

use super::{known, stem, table::Table};
use crate::replay::{
    error::ReadError,
    series::{CappedBy, Kind},
};

/// What names say, the columns that follow, and what was recorded.
const METRICS: [(&str, &str, Kind); 2] = [
    (
        "cpu_utilization",
        "time=timestamp:date,cpu=value:%cap",
        Kind::Capped {
            by: CappedBy::Machine,
        },
    ),
    (
        "request_count",
        "time=timestamp:date,requests=value:/5min",
        Kind::Offered,
    ),
];

/// `None` for what is neither CPU nor requests.
pub(super) fn open(path: &Path) -> Result<Option<Table>, ReadError> {
    let name = stem(path);
    let Some((_, map, kind)) = METRICS.iter().find(|(part, _, _)| name.contains(part)) else {
        return Ok(None);
    };
    let mut columns = known(map).map_err(|wrong| wrong.at(path, None))?;
    if *kind != Kind::Offered {
        columns = columns.relative();
    }
    Table::open(path, &columns, name, Some(*kind)).map(Some)
}
