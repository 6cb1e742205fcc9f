//! The column map: which column says what, in which unit.

use std::fmt;

use trimtab_core::signal::Nanos;

use super::unit::{Role, Unit, listed};

/// What the columns of a table mean, from `time=t_s:s,cpu=cpu_mhz:MHz,...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub(super) entries: Vec<Entry>,
    /// Time from row to row, where no column says it.
    pub(super) step: Option<Nanos>,
    /// Whether parts of a cap that is not known are taken as parts of [`Scale`](super::Scale)'s.
    pub(super) relative: bool,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) role: Role,
    pub(super) column: Column,
    pub(super) unit: Unit,
}

/// Which column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// By its name in the header.
    Named(String),
    /// By its position, from 0.
    At(usize),
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(formatter, "`{name}`"),
            Self::At(index) => write!(formatter, "#{}", index + 1),
        }
    }
}

/// What is wrong with a column map.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--columns: {message}\n  = {remedy}")]
pub struct ColumnsError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

fn wrong(message: impl Into<String>, remedy: impl Into<String>) -> ColumnsError {
    ColumnsError {
        message: message.into(),
        remedy: remedy.into(),
    }
}

impl Columns {
    /// Reads a map: `ROLE=COLUMN:UNIT`, separated by commas. A column is named as in the header, or by
    /// position (`#1`); `step=5m` says how far rows are apart where no column tells the time.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, ColumnsError> {
        let mut columns = Self {
            entries: Vec::new(),
            step: None,
            relative: false,
        };
        for item in text.split(',') {
            let item = item.trim();
            let (role, rest) = item.split_once('=').ok_or_else(|| {
                wrong(
                    format!("`{item}` is no column"),
                    "write ROLE=COLUMN:UNIT, as in cpu=use:cores",
                )
            })?;
            if role == "step" {
                columns.step = Some(step(rest)?);
                continue;
            }
            let entry = entry(role.trim(), rest.trim())?;
            if columns.find(entry.role).is_some() {
                return Err(wrong(
                    format!("`{role}` is there twice"),
                    "keep one of the two",
                ));
            }
            columns.entries.push(entry);
        }
        Ok(columns)
    }

    /// Whether the columns together say how much was used when.
    ///
    /// # Errors
    /// What is missing, or what contradicts what.
    pub(super) fn complete(self) -> Result<Self, ColumnsError> {
        let has = |role| self.find(role).is_some();
        let unit = |role| self.find(role).map(|entry| entry.unit);
        if has(Role::Time) == self.step.is_some() {
            return Err(wrong(
                "nothing, or two things, say when samples were taken",
                "write either time=COLUMN:UNIT or step=DURATION, as in step=5m",
            ));
        }
        let used = [
            Role::Cpu,
            Role::Memory,
            Role::Requests,
            Role::Gpu,
            Role::GpuMemory,
        ];
        if !used.into_iter().any(has) {
            return Err(wrong(
                "no column says what was used",
                "name at least one of: cpu, memory, requests, gpu, gpu-memory",
            ));
        }
        let mhz = [Role::Cpu, Role::CpuCap].map(|role| unit(role) == Some(Unit::Mhz));
        if mhz.contains(&true) && (mhz != [true, true] || !has(Role::Cores)) {
            return Err(wrong(
                "MHz are a part of a clock that is not known",
                "name all three: cpu=COLUMN:MHz,cpu-cap=COLUMN:MHz,cores=COLUMN",
            ));
        }
        for (used, cap, part) in [
            (Role::Cpu, [Role::CpuCap, Role::Cores], Role::CpuPart),
            (Role::Memory, [Role::MemoryCap; 2], Role::MemoryPart),
        ] {
            let capped = cap.into_iter().any(has);
            let of_cap = matches!(unit(used), Some(Unit::OfCap(_)));
            if of_cap && !capped && !self.relative {
                return Err(wrong(
                    format!("`{}` is a part of a cap that no column has", used.name()),
                    format!("name it: {}=COLUMN:UNIT", cap[0].name()),
                ));
            }
            if has(part) && (capped || of_cap || !has(used)) {
                return Err(wrong(
                    format!(
                        "`{}` is for a cap that follows from use and part of it",
                        part.name()
                    ),
                    format!("name `{}` as an amount, and no cap", used.name()),
                ));
            }
        }
        Ok(self)
    }

    /// Parts of a cap that is not known are taken as parts of one of a fixed size.
    pub(super) fn relative(mut self) -> Self {
        self.relative = true;
        self
    }

    pub(super) fn find(&self, role: Role) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.role == role)
    }
}

/// `5m`.
fn step(text: &str) -> Result<Nanos, ColumnsError> {
    let parsed = humantime::parse_duration(text).ok();
    let nanos = parsed.and_then(|duration| u64::try_from(duration.as_nanos()).ok());
    nanos.filter(|&nanos| nanos > 0).map(Nanos).ok_or_else(|| {
        wrong(
            format!("`{text}` is no step"),
            "write a duration with its unit, as in step=5m",
        )
    })
}

/// `cpu` and `use:cores`.
fn entry(role: &str, rest: &str) -> Result<Entry, ColumnsError> {
    let Some(role) = Role::ALL.into_iter().find(|known| known.name() == role) else {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        return Err(wrong(
            format!("`{role}` is nothing that a column says"),
            format!("write one of: {}, step", names.join(", ")),
        ));
    };
    let (column, unit) = if let Some(unit) = role.only() {
        (rest, unit)
    } else {
        let one_of = |what: &str| format!("{what} one of: {}", listed(role.units()));
        let (column, unit) = rest.rsplit_once(':').ok_or_else(|| {
            let remedy = one_of(&format!("write {}={rest}:UNIT with", role.name()));
            wrong(format!("`{}` lacks its unit", role.name()), remedy)
        })?;
        let known = role.units().iter().find(|(name, _)| *name == unit);
        let (_, unit) = known.ok_or_else(|| {
            wrong(
                format!("`{unit}` is no unit of `{}`", role.name()),
                one_of("write"),
            )
        })?;
        (column, *unit)
    };
    let position = |number: &str| {
        number
            .parse()
            .ok()
            .and_then(|number: usize| number.checked_sub(1))
    };
    let column = match column.strip_prefix('#') {
        Some(number) => position(number).map(Column::At),
        None => (!column.is_empty()).then(|| Column::Named(column.to_owned())),
    };
    let column = column.ok_or_else(|| {
        let remedy = "write its name as in the header, or its position from #1 on";
        wrong(format!("`{}` has no column", role.name()), remedy)
    })?;
    Ok(Entry { role, column, unit })
}
