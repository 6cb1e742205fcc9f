//! `[record]`.

use serde_spanned::Spanned;
use trimtab_core::signal::Amount;

use super::Checker;
use crate::config::{raw, schema::Record, units::Share};

/// The least that a recording may have: below, states would take more of it than what happened.
const LEAST: Amount = Amount(16 << 20);

impl Checker<'_> {
    pub(super) fn record(&mut self, raw: raw::Record) -> Record {
        let default = Record::default();
        Record {
            enabled: raw.enabled.map_or(default.enabled, Spanned::into_inner),
            directory: self.path(raw.directory, "directory", default.directory),
            limit: match raw.limit {
                None => default.limit,
                Some(key) => match key.get_ref().0 {
                    Share::Amount(limit) if limit >= LEAST => limit,
                    Share::Amount(_) => {
                        self.wrong(
                            key.span(),
                            "the recording would be too short to be of use",
                            "write \"16MiB\" or more",
                        );
                        default.limit
                    }
                    Share::OfNode(_) => {
                        self.wrong(
                            key.span(),
                            "`limit` is on disk, and no part of the node's memory",
                            "write a size such as \"256MiB\"",
                        );
                        default.limit
                    }
                },
            },
        }
    }
}
