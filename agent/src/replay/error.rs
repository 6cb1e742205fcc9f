//! Why a trace cannot be read: where, what, and what to do about it.

use std::{fmt, io, path::PathBuf};

use super::columns::ColumnsError;

/// What is wrong with a source, at a place.
#[derive(Debug)]
pub struct ReadError {
    /// The file or directory.
    pub file: PathBuf,
    /// The line, from 1; `None` where it is the file as a whole.
    pub line: Option<u64>,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The system refuses to open or read it.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// Compressed data end before their end.
    #[error("the compressed data end too early: the file is cut off")]
    CutOff,
    /// Compressed data contradict themselves.
    #[error("the compressed data are damaged: {0}")]
    Damaged(String),
    /// No line in it.
    #[error("the file is empty")]
    Empty,
    /// A header and nothing else.
    #[error("there are no rows")]
    NoRows,
    /// A line that is longer than any row.
    #[error("the line is longer than {0} bytes")]
    LongLine(usize),
    /// A quoted field that does not end on its line.
    #[error("a quote is opened and not closed on the line")]
    OpenQuote,
    /// Not text.
    #[error("there is a NUL byte: this is not UTF-8 text")]
    Binary,
    /// Another number of fields than the rows before.
    #[error("{found} fields, and {wanted} in the first row")]
    Ragged {
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// The first line is data where names of columns are needed.
    #[error("the first line is no header: `{0}`")]
    NoHeader(String),
    /// The header lacks a column.
    #[error("there is no column `{name}`; there are: {there}")]
    NoColumn {
        /// The column that is wanted.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// The header has a column twice.
    #[error("there are two columns `{0}`")]
    TwoColumns(String),
    /// A field that is no number.
    #[error("`{text}` in column {column} is no number")]
    NotNumber {
        /// Which column.
        column: String,
        /// What it says.
        text: String,
    },
    /// A field that is no date.
    #[error("`{text}` in column {column} is no date")]
    NotDate {
        /// Which column.
        column: String,
        /// What it says.
        text: String,
    },
    /// A value that makes no sense in its unit.
    #[error("`{text}` in column {column} would be {what}: wrong unit?")]
    WrongUnit {
        /// Which column.
        column: String,
        /// What it says.
        text: String,
        /// What that comes to, and what the most is.
        what: String,
    },
    /// Use that is far above what was provisioned, from the first row on.
    #[error(
        "`{quantity}` is {times} times what was provisioned, or more, in every row: wrong unit?"
    )]
    FarAboveCap {
        /// Use of what.
        quantity: &'static str,
        /// How many times.
        times: u64,
    },
    /// Samples closer together, or farther apart, than any history to replay.
    #[error("samples are {0} apart: wrong unit of time?")]
    Step(String),
    /// Time runs back again and again.
    #[error("time ran back {back} times in {rows} rows: the rows are not sorted")]
    NotSorted {
        /// How often.
        back: u64,
        /// In how many rows so far.
        rows: u64,
    },
    /// A series begins again after another.
    #[error("series `{0}` begins again: its rows are not together")]
    Again(String),
    /// More series than are told apart.
    #[error("more than {0} series in one file")]
    ManySeries(usize),
    /// Two files that belong together do not say the same.
    #[error("here is `{found}` where the other file has `{wanted}`")]
    Pair {
        /// What stands here.
        found: String,
        /// What stands there.
        wanted: String,
    },
    /// More samples than are kept at once.
    #[error("more than {0} samples in one series")]
    LongSeries(usize),
    /// Not the JSON that it should be.
    #[error("{0}")]
    Json(String),
    /// A recording that is damaged, or of another version.
    #[error("{0}")]
    Segment(String),
    /// A counter, which grows and is no use at a time.
    #[error("`{0}` is a counter: it says how much in all, not how much at a time")]
    Counter(String),
    /// No format of that name, or none can be told from the path.
    #[error("which format this has cannot be told")]
    WhichFormat,
    /// A format with columns of its own choosing, and none were given.
    #[error("what its columns mean is not said")]
    NoColumns,
    /// A format whose columns are known, and others were given.
    #[error("{0} has columns of its own")]
    OwnColumns(&'static str),
    /// A column map that does not fit the format.
    #[error("{}", .0.message)]
    Columns(ColumnsError),
    /// Nothing to read in a directory.
    #[error("there are no files of format {0} in it")]
    NoFiles(&'static str),
    /// An index that names a source nobody knows.
    #[error("the index names a source that is not known: `{0}`")]
    Index(String),
}

impl Wrong {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let remedy = match self {
            Self::Io(_) => "check the path and its permissions",
            Self::CutOff | Self::Damaged(_) => {
                "copy it again; `gzip --test` says whether it is whole"
            }
            Self::Empty | Self::NoRows => "leave it out, or record it again",
            Self::LongLine(_) => "give a text file with one row per line",
            Self::OpenQuote => "close the quote; a field with a line break in it is not read",
            Self::Binary => "give UTF-8 text, plain or compressed with gzip",
            Self::Ragged { .. } => "is the file cut off here? complete the row or remove it",
            Self::NoHeader(_) => "name columns by position, as in `time=#1:s,cpu=#2:cores`",
            Self::NoColumn { .. } => {
                "name one that is there, or its position, as in `cpu=#2:cores`"
            }
            Self::TwoColumns(_) => "name it by position, as in `cpu=#2:cores`",
            Self::NotNumber { .. } => {
                "write a decimal number such as 747.1 (a point, no unit), or nothing where nothing is known"
            }
            Self::NotDate { .. } => {
                "write it in UTC as 2014-05-14 01:14:00 or 2014-05-14T01:14:00Z"
            }
            Self::WrongUnit { .. } => {
                "name the column's true unit in the column map; correct the row if it is only this one"
            }
            Self::FarAboveCap { .. } => "name the true units of both columns in the column map",
            Self::Step(_) => "name the unit of the time column; samples may be 1 ms to 1 day apart",
            Self::NotSorted { .. } => "sort the rows of each series by time",
            Self::Again(_) => "sort the rows by series, then by time",
            Self::ManySeries(_) => "split the file",
            Self::Pair { .. } => "give both files of the same version",
            Self::LongSeries(_) => "split the file, or thin it out",
            Self::Json(_) => "give the whole answer to a range query (`/api/v1/query_range`)",
            Self::Segment(_) => "`trimtab record verify` says what of it can be read",
            Self::Counter(_) => {
                "query its rate, as in `rate(container_cpu_usage_seconds_total[5m])`"
            }
            Self::WhichFormat => {
                return format!("write FORMAT:PATH with one of: {}", super::Format::names());
            }
            Self::NoColumns => "say it, as in `--columns time=t:s,cpu=use:cores`",
            Self::OwnColumns(_) => "leave out `--columns`, or read it as `csv:PATH`",
            Self::Columns(error) => &error.remedy,
            Self::NoFiles(_) => "name the directory in which they are, or a file",
            Self::Index(_) => "name the source itself, as FORMAT:PATH",
        };
        remedy.to_owned()
    }

    /// At a place.
    pub(super) fn at(self, file: impl Into<PathBuf>, line: impl Into<Option<u64>>) -> ReadError {
        ReadError {
            file: file.into(),
            line: line.into(),
            wrong: self,
        }
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, "{line}:")?;
        }
        write!(formatter, " {}\n  = {}", self.wrong, self.wrong.remedy())
    }
}

impl std::error::Error for ReadError {}

/// A field as a message shows it: short and printable.
pub(super) fn shown(text: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(text);
    let plain = |c: char| {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            String::from(c)
        }
    };
    let mut shown: String = text.chars().take(MOST).map(plain).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}
