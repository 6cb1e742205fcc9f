//! Tables with a row per request, counted into a rate per second.

use super::{About, Rows};
use crate::replay::{
    convert::Row,
    error::ReadError,
    series::{Kind, Quantity},
};

const SECOND: u64 = 1_000_000_000;

/// So many seconds without a request are a rate of 0; more are a gap.
const QUIET: u64 = 3_600;

/// A request.
enum Request {
    /// In this second, on this line.
    At(u64, u64),
    /// Nobody knows when: handed on as it is.
    Undated(Row),
}

/// Counts the rows of another reader.
pub(super) struct Arrivals<R> {
    requests: R,
    /// The second being counted, requests in it, and the line that began it.
    bin: Option<(u64, i64, u64)>,
    /// The request that ended it: its second and line.
    next: Option<(u64, u64)>,
}

impl<R: Rows> Arrivals<R> {
    pub(super) const fn of(requests: R) -> Self {
        Self {
            requests,
            bin: None,
            next: None,
        }
    }

    fn request(&mut self) -> Result<Option<Request>, ReadError> {
        if let Some((second, line)) = self.next.take() {
            return Ok(Some(Request::At(second, line)));
        }
        let row = self.requests.row()?;
        Ok(row.map(|row| match row.time {
            Some(time) => Request::At(time / SECOND, row.line),
            None => Request::Undated(row),
        }))
    }
}

fn rate((second, count, line): (u64, i64, u64)) -> Row {
    let mut values = [None; 7];
    values[Quantity::Requests.index()] = Some(count.saturating_mul(1_000));
    Row {
        time: Some(second * SECOND),
        line,
        values,
    }
}

impl<R: Rows> Rows for Arrivals<R> {
    fn series(&mut self) -> Result<Option<About>, ReadError> {
        (self.bin, self.next) = (None, None);
        let about = self.requests.series()?;
        Ok(about.map(|about| About {
            kind: Kind::Offered,
            ..about
        }))
    }

    fn row(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            let (second, line) = match self.request()? {
                None => return Ok(self.bin.take().map(rate)),
                Some(Request::Undated(row)) => return Ok(Some(row)),
                Some(Request::At(second, line)) => (second, line),
            };
            let Some((bin, count, began)) = self.bin else {
                self.bin = Some((second, 1, line));
                continue;
            };
            if second == bin {
                self.bin = Some((bin, count + 1, began));
                continue;
            }
            // One that comes late is a row of the past: dropped and counted like any other.
            if second < bin {
                return Ok(Some(rate((second, 1, line))));
            }
            self.bin = if second - bin > QUIET || second == bin + 1 {
                Some((second, 1, line))
            } else {
                self.next = Some((second, line));
                Some((bin + 1, 0, line))
            };
            return Ok(Some(rate((bin, count, began))));
        }
    }
}
