//! NVIDIA's management library, as far as a test wants there to be one.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::nvml_library;

/// A copy of the stand-in library with a script of its own; what the script may say, `tests/nvml/src/script.rs` lists.
#[derive(Debug)]
pub struct Nvml {
    directory: TempDir,
}

impl Nvml {
    /// A library that answers by this script.
    ///
    /// # Errors
    /// When it has not been built, or cannot be copied.
    pub fn new(script: &Value) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
        let nvml = Self { directory };
        nvml.follow(script)?;
        // The loader knows a library by its file: each copy has values of its own.
        let mut copy = Command::new("cp");
        copy.arg(nvml_library()?).arg(nvml.library());
        let copied = copy.status()?;
        ensure!(copied.success(), "{copy:?}: {copied}");
        Ok(nvml)
    }

    /// Replaces the script, as a whole; the library reads it before the next round of questions.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn follow(&self, script: &Value) -> Result<()> {
        let path = self.directory.path().join("script.json");
        let new = path.with_extension("new");
        fs::write(&new, script.to_string())?;
        fs::rename(&new, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The library's path.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.directory.path().join("libnvidia-ml.so.1")
    }
}
