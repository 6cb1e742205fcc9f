//! Rows of a CSV file: one per line, cut into fields.

use std::path::Path;

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use super::{
    error::{ReadError, Wrong},
    lines::Lines,
};

/// Goes through a CSV file row by row; memory stays at what the longest row took.
pub(super) struct Fields {
    lines: Lines,
    splitter: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Fields {
    /// Opens a file of comma-separated values, and goes to its first row.
    ///
    /// # Errors
    /// It cannot be read, or has no row.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let mut lines = Lines::open(path)?;
        if !lines.advance()? {
            return Err(Wrong::Empty.at(path, None));
        }
        let separator = separator(lines.text());
        let splitter = ReaderBuilder::new()
            .delimiter(separator)
            .terminator(Terminator::Any(b'\n'))
            .build();
        let mut fields = Self {
            lines,
            splitter,
            text: Vec::new(),
            ends: vec![0; 32],
            count: 0,
        };
        fields.split()?;
        Ok(fields)
    }

    /// Goes on to the next row; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        let more = self.lines.advance()?;
        if more {
            self.split()?;
        }
        Ok(more)
    }

    /// Cuts the present line into fields.
    fn split(&mut self) -> Result<(), ReadError> {
        let line = self.lines.ended();
        // Cutting only ever makes it shorter.
        self.text.resize(line.len().max(self.text.len()), 0);
        loop {
            self.splitter.reset();
            let (result, _, _, ends) =
                self.splitter
                    .read_record(line, &mut self.text, &mut self.ends);
            match result {
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2 + 1, 0),
                ReadRecordResult::Record => {
                    self.count = ends;
                    return Ok(());
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    return Err(self.wrong(Wrong::OpenQuote));
                }
            }
        }
    }

    /// How many fields the present row has.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// A field of the present row, without blanks around it; empty beyond the last.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        let ends = &self.ends[..self.count];
        let start = if index == 0 {
            0
        } else {
            ends.get(index - 1).copied().unwrap_or(0)
        };
        let end = ends.get(index).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default().trim_ascii()
    }

    /// All fields of the present row.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|index| self.get(index))
    }

    /// The present row as it stands in the file.
    pub(super) fn line(&self) -> &[u8] {
        self.lines.text()
    }

    /// The present line's number, from 1.
    pub(super) fn number(&self) -> u64 {
        self.lines.number()
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        self.lines.path()
    }

    /// An error at the present line.
    pub(super) fn wrong(&self, wrong: Wrong) -> ReadError {
        self.lines.wrong(wrong)
    }
}

/// What separates fields: commas; semicolons or tabs where the first line has no comma outside of quotes.
fn separator(first: &[u8]) -> u8 {
    let there = |separator: &u8| {
        let mut quoted = false;
        first.iter().any(|byte| {
            quoted ^= *byte == b'"';
            !quoted && byte == separator
        })
    };
    [b',', b';', b'\t'].into_iter().find(there).unwrap_or(b',')
}
