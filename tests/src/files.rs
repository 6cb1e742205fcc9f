//! Reading and writing the kernel's small files, with the path in every error.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// A whole file, with its path in the error.
pub(crate) fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// One write, with path and text in the error.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write `{text}` to {}", file.display()))
}

/// A file that holds one number.
pub(crate) fn number(file: &Path) -> Result<u64> {
    let text = read(file)?;
    let text = text.trim();
    text.parse()
        .with_context(|| format!("{} holds `{text}`, not a number", file.display()))
}

/// The number after a name in a file of `name value` lines.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}
