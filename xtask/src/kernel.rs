//! The guest's kernel: Debian's cloud image, unpacked but not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::cmd;

/// The package that depends on the newest kernel of Debian's cloud images.
const META: &str = "linux-image-cloud-amd64";

/// The kernel image that has been fetched, the newest if several.
pub(crate) fn find() -> Result<Option<PathBuf>> {
    let boot = cmd::guest().join("kernel/boot");
    if !boot.is_dir() {
        return Ok(None);
    }
    let mut images = Vec::new();
    for entry in fs::read_dir(&boot).with_context(|| format!("cannot read {}", boot.display()))? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        {
            images.push(path);
        }
    }
    images.sort();
    Ok(images.pop())
}

/// The commands that fetch it; apt verifies the package, and nothing is installed.
pub(crate) fn commands() -> Vec<Command> {
    let directory = cmd::guest();
    // The package's name changes with every kernel, and apt's lists may first have to be fetched.
    let script = format!(
        "mkdir -p {directory} && cd {directory} && \
         apt-get download $(apt-cache depends {META} | sed -n 's/^ *Depends: \\(linux-image-\\)/\\1/p') && \
         for package in *.deb; do dpkg-deb -x $package kernel; rm $package; done",
        directory = cmd::quote(directory.as_os_str()),
    );
    let mut shell = cmd::new("sh");
    shell.args(["-e", "-c", &script]);
    vec![shell]
}

/// Whether apt knows the package that names the newest kernel.
pub(crate) fn is_known() -> bool {
    cmd::succeeds(cmd::new("apt-cache").args(["show", META]))
}

/// How the image is named when it is spoken of.
pub(crate) fn version(image: &Path) -> String {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches("vmlinuz-").to_owned()
}
