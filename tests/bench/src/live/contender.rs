//! Who contends.

use std::fmt;

use anyhow::{Result, bail};
use trimtab_core::baseline::named;

/// One of those that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// A static limit that is as large as the node.
    Node,
    /// A static limit at the 99th percentile of what was used over a second.
    P99,
    /// Our agent under this policy, with its defaults.
    Ours(&'static str),
    /// A law that we are compared with, by the name that `trimtab replay` has for it.
    Law(String),
}

/// Those that contend unless others are asked for.
pub(super) const ALL: [&str; 8] = [
    "static-node",
    "static-p99",
    "captain:0.02",
    "captain:0.1",
    "captain:0.3",
    "k8s-cpu-fast:0.6",
    "trimtab-headroom",
    "trimtab-slo",
];

/// Our policies that steer a quota.
const OURS: [&str; 4] = ["headroom", "slo", "threshold", "predictive"];

impl Contender {
    /// The one of that name.
    pub(super) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "static-node" => Self::Node,
            "static-p99" => Self::P99,
            _ => {
                if let Some(kind) = name.strip_prefix("trimtab-") {
                    let Some(kind) = OURS.into_iter().find(|one| *one == kind) else {
                        bail!(
                            "no policy is called `{kind}`; there are {}",
                            OURS.join(", ")
                        );
                    };
                    return Ok(Self::Ours(kind));
                }
                // Made once more for the run; here it shows that there is one.
                named(name)?;
                Self::Law(name.to_owned())
            }
        })
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("static-node"),
            Self::P99 => f.write_str("static-p99"),
            Self::Ours(kind) => write!(f, "trimtab-{kind}"),
            Self::Law(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_name() {
        for name in ALL {
            assert_eq!(Contender::named(name).unwrap().to_string(), name);
        }
        for name in ["trimtab-guess", "captain:2", "nobody"] {
            assert!(Contender::named(name).is_err(), "{name}");
        }
    }
}
