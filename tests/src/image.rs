//! Images made on the spot: busybox, and nothing that would have to be fetched.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

/// Where Debian has busybox as one file without libraries.
pub(crate) const BUSYBOX: &str = "/bin/busybox";
/// What a container does that nobody tells what to do.
pub(crate) const COMMAND: [&str; 2] = ["/bin/sleep", "600"];

/// Makes an archive of a file system.
pub(crate) fn layer(directory: &Path) -> Result<PathBuf> {
    let root = directory.join("image");
    fs::create_dir_all(root.join("bin"))?;
    fs::copy(BUSYBOX, root.join("bin/busybox"))?;
    symlink("busybox", root.join("bin/sleep"))?;
    let layer = directory.join("layer.tar");
    let mut pack = Command::new("tar");
    pack.arg("-cf").arg(&layer).arg("-C").arg(&root).arg("bin");
    said(&mut pack)?;
    Ok(layer)
}

/// Makes an archive of one image in Docker's format.
pub(crate) fn archive(directory: &Path, name: &str) -> Result<PathBuf> {
    let sum = said(Command::new("sha256sum").arg(layer(directory)?))?;
    let digest = sum.split_whitespace().next().context("no digest")?;
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Cmd": COMMAND },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }]);
    fs::write(directory.join("config.json"), config.to_string())?;
    fs::write(directory.join("manifest.json"), manifest.to_string())?;
    let archive = directory.join("image.tar");
    let mut pack = Command::new("tar");
    pack.arg("-cf").arg(&archive).arg("-C").arg(directory);
    said(pack.args(["manifest.json", "config.json", "layer.tar"]))?;
    Ok(archive)
}

/// Runs a command that must succeed, and says what it said.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}: {errors}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
