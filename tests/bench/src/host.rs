//! What machine a figure is from.

use anyhow::Result;
use trimtab_tests::{Hierarchies, Version};

/// The running kernel's release.
pub(crate) fn kernel() -> String {
    let name = rustix::system::uname();
    name.release().to_string_lossy().into_owned()
}

/// Which cgroups limit here.
pub(crate) fn cgroup() -> Result<&'static str> {
    Ok(match Hierarchies::find()?.version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    })
}
