//! The fields of a row, read in the units of their columns and put together.

use std::time::UNIX_EPOCH;

use super::{
    columns::{Columns, Entry},
    decimal::{Number, rounded},
    error::{ReadError, Wrong, shown},
    fields::Fields,
    series::{Quantity, Scale},
    unit::{Role, Unit},
};

/// Parts of a cap are read in millionths of their unit.
const PARTS: i64 = 1_000_000;

/// Below this part of the cap, in millionths of it, rounding hides what the cap is.
const TELLING: i128 = 10_000;

/// From here on a cap is the kernel's way to say that there is none.
const UNLIMITED: i64 = 1 << 60;

/// The year 2200, in ns of Unix time.
pub(super) const FUTURE: i64 = 7_258_118_400_000_000_000;

/// The most that makes sense of a quantity, one of its unit as people say it, and that unit.
const fn most(quantity: Quantity) -> (i64, i64, &'static str) {
    match quantity {
        Quantity::Cpu | Quantity::CpuCap => (4_096_000_000, 1_000_000, "CPUs"),
        Quantity::Memory | Quantity::MemoryCap | Quantity::GpuMemory => (64 << 40, 1 << 40, "TiB"),
        Quantity::Requests => (1_000_000_000_000, 1_000, "requests per second"),
        // Counters of duty run a little over.
        Quantity::Gpu => (11_000, 100, "% of the time"),
    }
}

/// What a value comes to that makes no sense of its quantity, and what the most is.
pub(super) fn beyond(quantity: Quantity, value: i64) -> Option<String> {
    let (most, one, name) = most(quantity);
    (value > most).then(|| format!("{} {name}, and the most is {}", value / one, most / one))
}

/// The fields of one row by role, read in the units of their columns.
pub(super) struct Cells<'a> {
    fields: &'a Fields,
    columns: &'a Columns,
    raw: [Option<i64>; Role::ALL.len()],
    place: [Option<usize>; Role::ALL.len()],
}

impl<'a> Cells<'a> {
    /// Reads the columns of a row, which stand at these places.
    pub(super) fn read(
        columns: &'a Columns,
        places: &[usize],
        fields: &'a Fields,
    ) -> Result<Self, ReadError> {
        let mut cells = Self {
            fields,
            columns,
            raw: [None; Role::ALL.len()],
            place: [None; Role::ALL.len()],
        };
        for (entry, &place) in columns.entries.iter().zip(places) {
            cells.place[entry.role as usize] = Some(place);
            cells.raw[entry.role as usize] = cells.field(entry, place)?;
        }
        Ok(cells)
    }

    fn field(&self, entry: &Entry, place: usize) -> Result<Option<i64>, ReadError> {
        let text = self.fields.get(place);
        if entry.role == Role::Series {
            return Ok(None);
        }
        if entry.unit == Unit::Date {
            return self.date(text, entry);
        }
        match Number::parse(text) {
            Some(Number::Nothing) => Ok(None),
            Some(Number::Is(decimal)) => Ok(Some(match entry.unit {
                Unit::Times(numerator, denominator) => decimal.times(numerator, denominator),
                Unit::OfCap(_) => decimal.times(PARTS, 1),
                Unit::Mhz | Unit::Date => decimal.times(1_000, 1),
            })),
            None => Err(self.fields.wrong(Wrong::NotNumber {
                column: entry.column.to_string(),
                text: shown(text),
            })),
        }
    }

    fn date(&self, text: &[u8], entry: &Entry) -> Result<Option<i64>, ReadError> {
        if Number::parse(text) == Some(Number::Nothing) {
            return Ok(None);
        }
        let parsed = str::from_utf8(text).ok().and_then(|text| {
            let time =
                humantime::parse_rfc3339_weak(text.strip_suffix("+00:00").unwrap_or(text)).ok()?;
            i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
        });
        parsed.map(Some).ok_or_else(|| {
            self.fields.wrong(Wrong::NotDate {
                column: entry.column.to_string(),
                text: shown(text),
            })
        })
    }

    fn raw(&self, role: Role) -> Option<i64> {
        self.raw[role as usize]
    }

    fn unit(&self, role: Role) -> Option<Unit> {
        self.columns.find(role).map(|entry| entry.unit)
    }

    fn wrong_unit(&self, role: Role, what: String) -> ReadError {
        let column = self.columns.find(role);
        let place = self.place[role as usize];
        self.fields.wrong(Wrong::WrongUnit {
            column: column
                .map(|entry| entry.column.to_string())
                .unwrap_or_default(),
            text: shown(
                place
                    .map(|place| self.fields.get(place))
                    .unwrap_or_default(),
            ),
            what,
        })
    }

    /// When it was, in ns; `None` where that is not known.
    pub(super) fn time(&self) -> Result<Option<u64>, ReadError> {
        let Some(time) = self.raw(Role::Time) else {
            return Ok(None);
        };
        if time > FUTURE {
            return Err(self.wrong_unit(Role::Time, "after the year 2200".into()));
        }
        match u64::try_from(time) {
            Ok(time) => Ok(Some(time)),
            Err(_) => Err(self.wrong_unit(Role::Time, "before 1970".into())),
        }
    }

    /// A quantity that a column has by itself.
    pub(super) fn sensible(
        &self,
        role: Role,
        quantity: Quantity,
    ) -> Result<Option<i64>, ReadError> {
        self.check(role, quantity, self.raw(role))
    }

    fn check(
        &self,
        role: Role,
        quantity: Quantity,
        value: Option<i64>,
    ) -> Result<Option<i64>, ReadError> {
        match value.and_then(|value| beyond(quantity, value)) {
            Some(what) => Err(self.wrong_unit(role, what)),
            None => Ok(value),
        }
    }

    /// CPU used and provisioned.
    pub(super) fn cpu(
        &self,
        relative: bool,
        last: &mut Option<i64>,
    ) -> Result<(Option<i64>, Option<i64>), ReadError> {
        let (cores, column) = (self.raw(Role::Cores), self.raw(Role::CpuCap));
        let cap = match self.unit(Role::CpuCap) {
            // No clock at all: switched off.
            Some(Unit::Mhz) if column == Some(0) => Some(0),
            None | Some(Unit::Mhz) => cores,
            Some(_) => column,
        };
        let role = if self.unit(Role::CpuCap).is_some() {
            Role::CpuCap
        } else {
            Role::Cores
        };
        let mut cap = self.check(role, Quantity::CpuCap, limited(cap))?;
        if relative && matches!(self.unit(Role::Cpu), Some(Unit::OfCap(_))) {
            cap = Some(amount(Scale::CPU.0));
        }
        let used = self.raw(Role::Cpu);
        let used = match self.unit(Role::Cpu) {
            Some(Unit::Mhz) => match (used, cap, column) {
                (Some(_), Some(0), _) => Some(0),
                (Some(used), Some(cap), Some(clock)) if clock > 0 => Some(share(used, cap, clock)),
                _ => None,
            },
            Some(Unit::OfCap(whole)) => self.part(Role::Cpu, used, cap, whole)?,
            _ => used,
        };
        let used = self.check(Role::Cpu, Quantity::Cpu, used)?;
        if self.unit(Role::CpuPart).is_some() {
            cap = self.cap_by_part(Role::CpuPart, used, last);
        }
        Ok((used, cap))
    }

    /// Memory used and provisioned.
    pub(super) fn memory(
        &self,
        relative: bool,
        last: &mut Option<i64>,
    ) -> Result<(Option<i64>, Option<i64>), ReadError> {
        let mut cap = self.check(
            Role::MemoryCap,
            Quantity::MemoryCap,
            limited(self.raw(Role::MemoryCap)),
        )?;
        let used = self.raw(Role::Memory);
        let used = match self.unit(Role::Memory) {
            Some(Unit::OfCap(whole)) => {
                if relative {
                    cap = Some(amount(Scale::MEMORY.0));
                }
                self.part(Role::Memory, used, cap, whole)?
            }
            _ => used,
        };
        let used = self.check(Role::Memory, Quantity::Memory, used)?;
        if self.unit(Role::MemoryPart).is_some() {
            cap = self.cap_by_part(Role::MemoryPart, used, last);
        }
        Ok((used, cap))
    }

    /// A part of the cap as an amount.
    fn part(
        &self,
        role: Role,
        part: Option<i64>,
        cap: Option<i64>,
        whole: i64,
    ) -> Result<Option<i64>, ReadError> {
        let (Some(part), Some(cap)) = (part, cap) else {
            return Ok(None);
        };
        if part > 10 * whole * PARTS {
            return Err(self.wrong_unit(role, format!("{} times the cap", part / (whole * PARTS))));
        }
        Ok(Some(share(part, cap, whole * PARTS)))
    }

    /// The cap of which a use is the part that another column has; the last known where it is too small to tell.
    fn cap_by_part(&self, role: Role, used: Option<i64>, last: &mut Option<i64>) -> Option<i64> {
        if let (Some(used), Some(part), Some(Unit::OfCap(whole))) =
            (used, self.raw(role), self.unit(role))
        {
            let whole = i128::from(whole);
            if i128::from(part) >= TELLING * whole && used > 0 {
                let cap = rounded(
                    i128::from(used) * whole * i128::from(PARTS),
                    i128::from(part),
                );
                *last = limited(i64::try_from(cap).ok());
            }
        }
        *last
    }
}

/// `of * part / whole`, for a positive `whole`.
fn share(part: i64, of: i64, whole: i64) -> i64 {
    let share = rounded(i128::from(part) * i128::from(of), i128::from(whole));
    i64::try_from(share).unwrap_or(i64::MAX)
}

/// A cap, or none where it says that there is none.
fn limited(cap: Option<i64>) -> Option<i64> {
    cap.filter(|cap| (0..UNLIMITED).contains(cap))
}

/// An amount that fits.
fn amount(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
