//! What is compared.

use serde::Serialize;

/// Who looks after the bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    /// Trimtab
    Trimtab,
    /// Trimtab without its warning: the throttle events alone
    Alone,
    /// Nobody
    Without,
    /// A loop that looks every 100 ms and doubles the quota of who was throttled
    Poller,
}

impl Variant {
    pub(crate) const ALL: [Self; 4] = [Self::Trimtab, Self::Alone, Self::Without, Self::Poller];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Trimtab => "Trimtab",
            Self::Alone => "throttle events alone",
            Self::Without => "without",
            Self::Poller => "100 ms poller",
        }
    }

    /// The probes that are off, for the variants with an agent.
    pub(crate) const fn off(self) -> Option<&'static str> {
        match self {
            Self::Trimtab => Some(""),
            Self::Alone => Some("\"quota-near\""),
            Self::Without | Self::Poller => None,
        }
    }
}
