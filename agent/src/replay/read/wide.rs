//! Tables with a row per series: names first, then one value per step.

use std::path::Path;

use super::{About, Rows};
use crate::replay::{
    convert::Row,
    decimal::{Number, rounded},
    error::{ReadError, Wrong, shown},
    fields::Fields,
    series::{CappedBy, Kind, Quantity, Scale},
};

/// What the rows of a format have in common.
pub(super) struct Shape {
    /// Leading fields that are the name, joined by slashes.
    pub(super) names: usize,
    /// Time from value to value, in ns.
    pub(super) step: u64,
}

/// The most that is taken for a percentage of a whole, in millionths of a percent; above, the unit is another.
const MOST: i64 = 1_000_000_000;

/// A file of percentages of a whole whose size is not told, and perhaps another that goes with it.
pub(super) struct Wide {
    shape: Shape,
    /// What has the values of which quantity; the first is the one that counts.
    files: Vec<(Quantity, Fields)>,
    value: usize,
    /// Whether the present lines are a series that was begun.
    begun: bool,
    /// Whether there are lines at all.
    more: bool,
}

impl Wide {
    pub(super) fn open(shape: Shape, files: &[(Quantity, &Path)]) -> Result<Self, ReadError> {
        let open = |(quantity, path): &(Quantity, &Path)| Ok((*quantity, Fields::open(path)?));
        Ok(Self {
            shape,
            files: files.iter().map(open).collect::<Result<_, ReadError>>()?,
            value: 0,
            begun: false,
            more: true,
        })
    }

    fn advance(&mut self) -> Result<(), ReadError> {
        let mut files = self.files.iter_mut();
        let Some((_, first)) = files.next() else {
            return Ok(());
        };
        self.more = first.advance()?;
        for (_, other) in files {
            if other.advance()? != self.more {
                let end = |more| if more { "a row" } else { "the end" }.to_owned();
                return Err(other.wrong(Wrong::Pair {
                    found: end(!self.more),
                    wanted: end(self.more),
                }));
            }
        }
        Ok(())
    }
}

/// The name that stands in the first fields.
fn name(fields: &Fields, names: usize) -> String {
    let names: Vec<_> = (0..names)
        .map(|index| String::from_utf8_lossy(fields.get(index)))
        .collect();
    names.join("/")
}

impl Rows for Wide {
    fn series(&mut self) -> Result<Option<About>, ReadError> {
        if self.begun {
            self.advance()?;
        }
        self.begun = self.more;
        self.value = 0;
        let Some((_, first)) = self.files.first().filter(|_| self.more) else {
            return Ok(None);
        };
        let wanted = name(first, self.shape.names);
        for (_, other) in &self.files[1..] {
            let found = name(other, self.shape.names);
            if found != wanted {
                return Err(other.wrong(Wrong::Pair { found, wanted }));
            }
            if other.len() != first.len() {
                return Err(other.wrong(Wrong::Ragged {
                    found: other.len(),
                    wanted: first.len(),
                }));
            }
        }
        let by = CappedBy::Machine;
        Ok(Some(About {
            name: wanted,
            kind: Kind::Capped { by },
            scale: Scale::Relative,
            clock: false,
        }))
    }

    fn row(&mut self) -> Result<Option<Row>, ReadError> {
        let index = self.shape.names + self.value;
        let Some((_, first)) = self
            .files
            .first()
            .filter(|(_, first)| self.begun && index < first.len())
        else {
            return Ok(None);
        };
        let mut row = Row {
            time: Some(self.shape.step.saturating_mul(self.value as u64)),
            line: first.number(),
            values: [None; 7],
        };
        for (quantity, fields) in &self.files {
            let (whole, cap) = match quantity {
                Quantity::Memory => (Scale::MEMORY, Quantity::MemoryCap),
                _ => (Scale::CPU, Quantity::CpuCap),
            };
            let text = fields.get(index);
            let column = || format!("#{}", index + 1);
            let number = Number::parse(text).ok_or_else(|| {
                fields.wrong(Wrong::NotNumber {
                    column: column(),
                    text: shown(text),
                })
            })?;
            let Number::Is(percent) = number else {
                continue;
            };
            let percent = percent.times(1_000_000, 1);
            if percent > MOST {
                let what = format!("{} times the whole", percent / 100_000_000);
                return Err(fields.wrong(Wrong::WrongUnit {
                    column: column(),
                    text: shown(text),
                    what,
                }));
            }
            let used = rounded(i128::from(percent) * i128::from(whole.0), 100_000_000);
            row.values[quantity.index()] = i64::try_from(used).ok();
            row.values[cap.index()] = i64::try_from(whole.0).ok();
        }
        self.value += 1;
        Ok(Some(row))
    }
}
