//! From the fields of a row to quantities in base units.

use super::{
    cells::Cells,
    columns::{Column, Columns},
    decimal::Number,
    error::{ReadError, Wrong, shown},
    fields::Fields,
    series::{CappedBy, Kind, Quantity},
    unit::{Role, Unit},
};

/// A row as the file has it, in base units: nothing is repaired yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// In ns, of Unix time where the format has a clock; `None` where it is not known.
    pub(super) time: Option<u64>,
    /// Where it stands.
    pub(super) line: u64,
    /// By [`Quantity::index`].
    pub(super) values: [Option<i64>; 7],
}

/// The columns of one file, found.
pub(super) struct Converter {
    columns: Columns,
    places: Vec<usize>,
    width: usize,
    rows: u64,
    caps: [Option<i64>; 2],
}

impl Converter {
    /// Finds columns in the first row of a file; whether that row is a header comes with it.
    ///
    /// # Errors
    /// A column is not there.
    pub(super) fn find(columns: &Columns, first: &Fields) -> Result<(Self, bool), ReadError> {
        let mut places = Vec::new();
        let mut header = false;
        for entry in &columns.entries {
            places.push(match &entry.column {
                Column::Named(name) => {
                    header = true;
                    named(name, first)?
                }
                Column::At(index) if *index < first.len() => *index,
                Column::At(index) => {
                    let name = format!("#{}", index + 1);
                    let there = format!("{} columns", first.len());
                    return Err(first.wrong(Wrong::NoColumn { name, there }));
                }
            });
        }
        let converter = Self {
            columns: columns.clone(),
            places,
            width: first.len(),
            rows: 0,
            caps: [None; 2],
        };
        // Without names, a first row that cannot be read as data is one.
        let header = header || !converter.numeric(first);
        Ok((converter, header))
    }

    fn numeric(&self, fields: &Fields) -> bool {
        let mut entries = self.columns.entries.iter().zip(&self.places);
        entries.all(|(entry, &place)| {
            matches!(entry.unit, Unit::Date)
                || entry.role == Role::Series
                || Number::parse(fields.get(place)).is_some()
        })
    }

    /// Another series begins: nothing of the one before holds.
    pub(super) fn restart(&mut self) {
        self.rows = 0;
        self.caps = [None; 2];
    }

    /// Where the name of the series stands, if a column has it.
    pub(super) fn series(&self) -> Option<usize> {
        let mut entries = self.columns.entries.iter();
        let index = entries.position(|entry| entry.role == Role::Series)?;
        self.places.get(index).copied()
    }

    /// What was recorded, for a table of the user's own.
    pub(super) fn kind(&self) -> Kind {
        let has = |role| self.columns.find(role).is_some();
        if [
            Role::CpuCap,
            Role::Cores,
            Role::MemoryCap,
            Role::CpuPart,
            Role::MemoryPart,
        ]
        .into_iter()
        .any(has)
        {
            Kind::Capped {
                by: CappedBy::Limit,
            }
        } else if [Role::Cpu, Role::Memory, Role::Gpu, Role::GpuMemory]
            .into_iter()
            .any(has)
        {
            Kind::Capped {
                by: CappedBy::Unknown,
            }
        } else {
            Kind::Offered
        }
    }

    /// Reads the present row.
    ///
    /// # Errors
    /// A field is no number, or makes no sense in its unit.
    pub(super) fn row(&mut self, fields: &Fields) -> Result<Row, ReadError> {
        if fields.len() != self.width {
            return Err(fields.wrong(Wrong::Ragged {
                found: fields.len(),
                wanted: self.width,
            }));
        }
        let cells = Cells::read(&self.columns, &self.places, fields)?;
        let time = match self.columns.step {
            Some(step) => Some(step.0.saturating_mul(self.rows)),
            None => cells.time()?,
        };
        self.rows += 1;
        let (cpu, cpu_cap) = cells.cpu(self.columns.relative, &mut self.caps[0])?;
        let (memory, memory_cap) = cells.memory(self.columns.relative, &mut self.caps[1])?;
        let values = [
            cpu,
            cpu_cap,
            memory,
            memory_cap,
            cells.sensible(Role::Requests, Quantity::Requests)?,
            cells.sensible(Role::Gpu, Quantity::Gpu)?,
            cells.sensible(Role::GpuMemory, Quantity::GpuMemory)?,
        ];
        Ok(Row {
            time,
            line: fields.number(),
            values,
        })
    }
}

/// Finds a column by its name in the header.
fn named(name: &str, header: &Fields) -> Result<usize, ReadError> {
    let mut found = header
        .all()
        .enumerate()
        .filter(|(_, field)| *field == name.as_bytes());
    if let Some((index, _)) = found.next() {
        return match found.next() {
            None => Ok(index),
            Some(_) => Err(header.wrong(Wrong::TwoColumns(name.to_owned()))),
        };
    }
    let data = header
        .all()
        .any(|field| matches!(Number::parse(field), Some(Number::Is(_))));
    Err(header.wrong(if data {
        Wrong::NoHeader(shown(header.line()))
    } else {
        let there: Vec<_> = header.all().map(shown).collect();
        Wrong::NoColumn {
            name: name.to_owned(),
            there: there.join(", "),
        }
    }))
}
