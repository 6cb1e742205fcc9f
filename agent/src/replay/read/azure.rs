//! Azure's trace of requests to language models of 2023: a row per request, about an hour.
//!
//! Only arrivals are read. How long prompts and answers were is in the trace, and says nothing of CPU or memory
//! of a host.

use std::path::Path;

use super::{arrivals::Arrivals, known, packed, table::Table};
use crate::replay::{error::ReadError, series::Kind};

/// Tokens stand for the request itself: each row is one.
const COLUMNS: &str = "time=TIMESTAMP:date,requests=GeneratedTokens:/s";

pub(super) fn open(path: &Path) -> Result<Arrivals<Table>, ReadError> {
    let columns = known(COLUMNS).map_err(|wrong| wrong.at(path, None))?;
    let table = Table::open(path, &columns, packed(path), Some(Kind::Offered))?;
    Ok(Arrivals::of(table))
}
