//! What the ledger is made of.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use trimtab_core::signal::Amount;

use super::limit_file::LimitFile;

/// Which file of which group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The group's directory in the controlling hierarchy.
    pub dir: PathBuf,
    /// The inode of that directory: the kernfs id.
    pub inode: u64,
    /// The file.
    pub file: LimitFile,
}

/// What we write to a file, so that our values can be told from others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ours {
    /// A limit that the fast loop moves.
    Moving {
        /// The lowest amount that we write (micro-CPUs or bytes).
        least: Amount,
        /// The highest.
        most: Amount,
        /// The period in microseconds under which we write a quota. We never change it, so that
        /// a quota under another one is not ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        period_us: Option<u64>,
        /// Its record in the marks, where there are marks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<u32>,
    },
    /// A value that moves now and then, or never: the one before and the one about to be written.
    Fixed {
        /// Texts.
        wrote: Vec<String>,
    },
}

/// One original value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which file of which group.
    #[serde(flatten)]
    pub key: Key,
    /// The group's path below the hierarchy's root.
    pub group: String,
    /// The text that the file held.
    pub original: String,
    /// What we write there.
    pub ours: Ours,
    /// The unit whose group it is, if systemd writes this file, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitValue>,
}

/// What a unit's property held that stands for a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitValue {
    /// The unit.
    pub unit: String,
    /// The socket of the bus that its systemd is on.
    pub bus: PathBuf,
    /// The property's original value.
    pub value: u64,
    /// Whether it was set until the next boot already, so that the drop-in which says so stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_set: bool,
    /// Where the marks have what a property that moves was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<u32>,
}

impl Entry {
    /// The same file's entry with another original, which is `amount`, under this period if it is
    /// a quota.
    pub(super) fn with_original(
        &self,
        original: String,
        amount: Amount,
        period_us: Option<u64>,
    ) -> Self {
        let ours = match &self.ours {
            Ours::Moving {
                least, most, mark, ..
            } => Ours::Moving {
                least: amount.min(*least),
                most: amount.max(*most),
                period_us,
                mark: *mark,
            },
            fixed @ Ours::Fixed { .. } => fixed.clone(),
        };
        // An owner who writes while a group is adopted does so through systemd, which has no more to say.
        let unit = self.unit.clone().map(|unit| UnitValue {
            value: amount.0,
            is_set: true,
            ..unit
        });
        Self {
            original,
            ours,
            unit,
            ..self.clone()
        }
    }
}

/// Something that opening the ledger found and people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The file could not be understood and has been set aside under this name.
    SetAside {
        /// The new name.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The entries are from an earlier boot: their cgroups are no more.
    OtherBoot {
        /// How many were dropped.
        entries: usize,
    },
    /// There is no file system in memory to keep marks on.
    NoMarks {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetAside { path, reason } => write!(
                f,
                "the ledger of original limits was damaged ({reason}) and has been set aside as {}: limits that it \
                 held cannot be put back",
                path.display()
            ),
            Self::OtherBoot { entries } => write!(
                f,
                "{entries} ledger entries are from an earlier boot and were dropped"
            ),
            Self::NoMarks { reason } => write!(
                f,
                "values written last are not kept ({reason}): after a crash, a limit that somebody else set within a \
                 workload's envelope is taken for ours"
            ),
        }
    }
}

impl Entry {
    /// The record of what its unit was told, in the marks.
    pub(super) fn told(&self) -> Option<u32> {
        self.unit.as_ref()?.told
    }
}

impl Ours {
    /// The record of a moving limit in the marks.
    pub(super) const fn mark(&self) -> Option<u32> {
        match self {
            Self::Moving { mark, .. } => *mark,
            Self::Fixed { .. } => None,
        }
    }
}
