//! From a file to a [`Config`]: all of it, or an error.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    check,
    node::Node,
    raw::File,
    report::{Invalid, Problem},
    schema::Config,
};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Config {
    /// Reads and checks a file, against this node where it speaks of parts of one.
    ///
    /// # Errors
    /// [`ConfigError::Read`], or [`ConfigError::Invalid`] with everything that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse_on(
            &text,
            &path.display().to_string(),
            Node::here(),
        )?)
    }

    /// Checks the text of a file; `name` is what errors call it.
    ///
    /// # Errors
    /// [`Invalid`] with everything that is wrong.
    pub fn parse(text: &str, name: &str) -> Result<Self, Invalid> {
        Self::parse_on(text, name, None)
    }

    /// [`Config::parse`], and with a node also whether amounts and parts of it fit together.
    ///
    /// # Errors
    /// [`Invalid`] with everything that is wrong.
    pub fn parse_on(text: &str, name: &str, node: Option<Node>) -> Result<Self, Invalid> {
        let invalid = |problems| Invalid {
            file: name.to_owned(),
            problems,
        };
        let file: File = toml::from_str(text)
            .map_err(|error| invalid(vec![Problem::from_toml(text, &error)]))?;
        check::check(file, text, node).map_err(invalid)
    }
}
