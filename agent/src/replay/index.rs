//! The index of a directory of traces: which source lies in which files.

use std::path::{Path, PathBuf};

use super::{
    error::{ReadError, Wrong, shown},
    fields::Fields,
    read::Format,
};

/// What it is called.
pub(super) const NAME: &str = "index.csv";

/// The files of each source, in the index's order; a file with many series is there once.
///
/// The index has a row per series with the columns `source` and `file`; a source's files lie in a directory of its
/// name. `a+b` are files that go together.
pub(super) fn read(directory: &Path) -> Result<Vec<(Format, Vec<PathBuf>)>, ReadError> {
    let mut rows = Fields::open(&directory.join(NAME))?;
    let place = |name: &str| {
        let place = rows.all().position(|field| field == name.as_bytes());
        place.ok_or_else(|| {
            let there: Vec<_> = rows.all().map(shown).collect();
            rows.wrong(Wrong::NoColumn {
                name: name.to_owned(),
                there: there.join(", "),
            })
        })
    };
    let (source, file) = (place("source")?, place("file")?);
    let mut sources: Vec<(Format, Vec<PathBuf>)> = Vec::new();
    while rows.advance()? {
        let name = String::from_utf8_lossy(rows.get(source));
        let Some(format) = Format::named(&name) else {
            return Err(rows.wrong(Wrong::Index(shown(name.as_bytes()))));
        };
        let files = String::from_utf8_lossy(rows.get(file));
        let first = files.split('+').next().unwrap_or_default();
        let path = directory.join(name.as_ref()).join(first);
        // Rows of one source, and of one file, stand together.
        match sources.iter_mut().find(|(known, _)| *known == format) {
            Some((_, paths)) if paths.last() == Some(&path) => {}
            Some((_, paths)) => paths.push(path),
            None => sources.push((format, vec![path])),
        }
    }
    Ok(sources)
}
