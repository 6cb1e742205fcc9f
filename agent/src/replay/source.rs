//! Which files are read, and as what.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    columns::Columns,
    error::{ReadError, Wrong},
    index,
    read::Format,
    reader::Reader,
};

/// Files of one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    format: Format,
    columns: Option<Columns>,
    files: Vec<PathBuf>,
}

impl Source {
    /// What is meant by `FORMAT:PATH`, a directory with an index, or a file whose name tells its format.
    ///
    /// A path that is a directory stands for the files of the format in it, by name. `columns` belong to the
    /// formats whose columns the user names.
    ///
    /// # Errors
    /// It cannot be told, or there is nothing to read; files are opened when their turn comes.
    pub fn find(given: &str, columns: Option<&Columns>) -> Result<Vec<Self>, ReadError> {
        let prefixed = given
            .split_once(':')
            .and_then(|(name, path)| Some((Format::named(name)?, path)));
        if let Some((format, path)) = prefixed {
            return Ok(vec![Self::of(format, Path::new(path), columns)?]);
        }
        let path = Path::new(given);
        if path.join(index::NAME).is_file() {
            let sources = index::read(path)?.into_iter();
            return sources
                .map(|(format, files)| Self::new(format, path, files, columns))
                .collect();
        }
        if given.contains(':') && !path.exists() {
            return Err(Wrong::WhichFormat.at(path, None));
        }
        let told = [Format::Csv, Format::Prometheus, Format::Recording]
            .into_iter()
            .find(|format| format.reads(given));
        match told.filter(|_| !path.is_dir()) {
            Some(format) => Ok(vec![Self::of(format, path, columns)?]),
            None => Err(Wrong::WhichFormat.at(path, None)),
        }
    }

    /// A file, or the files of a directory.
    fn of(format: Format, path: &Path, columns: Option<&Columns>) -> Result<Self, ReadError> {
        let io = |error| Wrong::Io(error).at(path, None);
        if !fs::metadata(path).map_err(io)?.is_dir() {
            return Self::new(format, path, vec![path.to_owned()], columns);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            if format.reads(&entry.file_name().to_string_lossy()) {
                files.push(entry.path());
            }
        }
        files.sort();
        Self::new(format, path, files, columns)
    }

    fn new(
        format: Format,
        path: &Path,
        files: Vec<PathBuf>,
        columns: Option<&Columns>,
    ) -> Result<Self, ReadError> {
        let wrong = match (format.wants_columns(), columns) {
            _ if files.is_empty() => Some(Wrong::NoFiles(format.name())),
            (true, None) => Some(Wrong::NoColumns),
            (false, Some(_)) => Some(Wrong::OwnColumns(format.name())),
            _ => None,
        };
        match wrong {
            Some(wrong) => Err(wrong.at(path, None)),
            None => Ok(Self {
                format,
                columns: columns.cloned(),
                files,
            }),
        }
    }

    /// What its files are read as.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Its files, in the order in which they are read.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(super) const fn columns(&self) -> Option<&Columns> {
        self.columns.as_ref()
    }

    /// The same, file by file: what is wrong in one is no reason not to read the others.
    pub fn split(self) -> impl Iterator<Item = Self> {
        let Self {
            format,
            columns,
            files,
        } = self;
        files.into_iter().map(move |file| Self {
            format,
            columns: columns.clone(),
            files: vec![file],
        })
    }

    /// Reads it from its beginning.
    #[must_use]
    pub fn read(self) -> Reader {
        Reader::new(self)
    }
}
