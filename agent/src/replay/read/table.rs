//! Tables: a row per sample, columns by a map.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use super::{About, Rows};
use crate::replay::{
    columns::Columns,
    convert::{Converter, Row},
    error::{ReadError, Wrong, shown},
    fields::Fields,
    series::{Kind, Scale},
};

/// Series that one file may have; their names are remembered, as 8 bytes each, so that one that
/// begins again is found.
const MOST_SERIES: usize = 1 << 20;

/// A file of rows.
pub(super) struct Table {
    fields: Fields,
    converter: Converter,
    about: About,
    /// Whether the present line has not been handed on yet.
    waiting: bool,
    /// Whether the present series has ended and the present line begins the next.
    border: bool,
    /// The name as it stands in the column.
    series: Vec<u8>,
    seen: HashSet<u64>,
    rows: u64,
}

impl Table {
    /// Opens a file; without a column for it, `name` is its only series.
    pub(super) fn open(
        path: &Path,
        columns: &Columns,
        name: String,
        kind: Option<Kind>,
    ) -> Result<Self, ReadError> {
        let complete = columns.clone().complete();
        let columns = complete.map_err(|error| Wrong::Columns(error).at(path, None))?;
        let fields = Fields::open(path)?;
        let (converter, header) = Converter::find(&columns, &fields)?;
        let about = About {
            name,
            kind: kind.unwrap_or_else(|| converter.kind()),
            scale: if columns.relative {
                Scale::Relative
            } else {
                Scale::Measured
            },
            clock: columns.step.is_none(),
        };
        Ok(Self {
            fields,
            converter,
            about,
            waiting: !header,
            border: true,
            series: Vec::new(),
            seen: HashSet::new(),
            rows: 0,
        })
    }

    /// Goes to a line that has not been handed on.
    fn line(&mut self) -> Result<bool, ReadError> {
        if !self.waiting {
            self.waiting = self.fields.advance()?;
        }
        Ok(self.waiting)
    }
}

impl Rows for Table {
    fn series(&mut self) -> Result<Option<About>, ReadError> {
        while self.row()?.is_some() {}
        if !self.line()? {
            return match self.rows {
                0 => Err(Wrong::NoRows.at(self.fields.path(), None)),
                _ => Ok(None),
            };
        }
        if let Some(column) = self.converter.series() {
            let name = self.fields.get(column);
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            if !self.seen.insert(hasher.finish()) {
                return Err(self.fields.wrong(Wrong::Again(shown(name))));
            }
            if self.seen.len() > MOST_SERIES {
                return Err(self.fields.wrong(Wrong::ManySeries(MOST_SERIES)));
            }
            self.series.clear();
            self.series.extend_from_slice(name);
            self.about.name = String::from_utf8_lossy(name).into_owned();
        }
        self.converter.restart();
        self.border = false;
        Ok(Some(self.about.clone()))
    }

    fn row(&mut self) -> Result<Option<Row>, ReadError> {
        if self.border || !self.line()? {
            return Ok(None);
        }
        let other = |column| self.fields.get(column) != self.series;
        self.border = self.converter.series().is_some_and(other);
        if self.border {
            return Ok(None);
        }
        self.waiting = false;
        self.rows += 1;
        self.converter.row(&self.fields).map(Some)
    }
}
