//! Lines of a file, plain or compressed with gzip: numbered, and never longer than a bound.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use super::error::{ReadError, Wrong};

/// The longest line; a day of samples in one row takes a few thousand bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// The text of a file, as it is or decompressed; by what it holds, whatever it is called.
///
/// # Errors
/// It cannot be opened or read.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, ReadError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let wrong = |error| Wrong::Io(error).at(path, None);
    let mut input = BufReader::with_capacity(1 << 16, File::open(path).map_err(wrong)?);
    Ok(if input.fill_buf().map_err(wrong)?.starts_with(&GZIP) {
        Box::new(BufReader::with_capacity(
            1 << 16,
            MultiGzDecoder::new(input),
        ))
    } else {
        Box::new(input)
    })
}

/// Goes through a file line by line.
pub(super) struct Lines {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    text: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            path: path.to_owned(),
            input: open(path)?,
            text: Vec::new(),
            number: 0,
        })
    }

    /// Goes on to the next line that is not blank; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            self.text.clear();
            let mut bounded = (&mut self.input).take(LONGEST as u64 + 1);
            let read = bounded.read_until(b'\n', &mut self.text);
            self.number += 1;
            let length = read.map_err(|error| self.wrong(error.into()))?;
            if length > LONGEST {
                return Err(self.wrong(Wrong::LongLine(LONGEST)));
            }
            if self.text.contains(&0) {
                return Err(self.wrong(Wrong::Binary));
            }
            if length == 0 {
                return Ok(false);
            }
            if !self.text.trim_ascii().is_empty() {
                // Every line ends alike from here on.
                self.text.truncate(self.text().len());
                self.text.push(b'\n');
                return Ok(true);
            }
        }
    }

    /// The present line, without its end.
    pub(super) fn text(&self) -> &[u8] {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        text.strip_suffix(b"\r").unwrap_or(text)
    }

    /// The present line with its end, a line feed.
    pub(super) fn ended(&self) -> &[u8] {
        &self.text
    }

    /// Its number, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error at the present line.
    pub(super) fn wrong(&self, wrong: Wrong) -> ReadError {
        wrong.at(&self.path, self.number)
    }
}
