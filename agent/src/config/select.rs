//! Which cgroups are meant: path globs.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of globs over cgroup paths. `*` stays within one level of the path, `**` does not.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Selector {
    /// Compiles patterns.
    ///
    /// # Errors
    /// What globset says about the first pattern that is none.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(
                GlobBuilder::new(pattern.as_ref())
                    .literal_separator(true)
                    .build()?,
            );
        }
        Ok(Self {
            patterns: patterns
                .iter()
                .map(|pattern| pattern.as_ref().to_owned())
                .collect(),
            set: set.build()?,
        })
    }

    /// Whether a cgroup path, absolute below the hierarchy's root, is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// The patterns as they were written.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Selector {}
