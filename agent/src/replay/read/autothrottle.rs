//! Autothrottle's request rates: one number a line, a line a second, an hour.

use std::path::Path;

use super::{known, packed, table::Table};
use crate::replay::{error::ReadError, series::Kind};

const COLUMNS: &str = "step=1s,requests=#1:/s";

pub(super) fn open(path: &Path) -> Result<Table, ReadError> {
    let columns = known(COLUMNS).map_err(|wrong| wrong.at(path, None))?;
    Table::open(path, &columns, packed(path), Some(Kind::Offered))
}
