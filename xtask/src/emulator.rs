//! The emulator: qemu, new enough not to lock the guest up.
//!
//! Before 8.2 one virtual CPU could translate a page while another patched it, and keep the old
//! code for good: the guest's kernel then meets a breakpoint that is no longer there, for ever, as
//! soon as a tracepoint is switched while it is hit (fixed by locking pages before translation).

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::cmd;

pub(crate) const PROGRAM: &str = "qemu-system-x86_64";
/// The first version without that race.
const NEEDED: (u32, u32) = (8, 2);

/// Whether the emulator is here and new enough.
pub(crate) fn is_new_enough() -> bool {
    cmd::output(cmd::new(PROGRAM).arg("--version"))
        .ok()
        .and_then(|said| version(&said))
        .is_some_and(|version| version >= NEEDED)
}

/// Major and minor of what `qemu --version` says.
fn version(said: &str) -> Option<(u32, u32)> {
    let number = said.split_once("version ")?.1;
    let mut parts = number.split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The commands that install it from the backports of this Debian release, out of the archive that
/// its other packages come from; the machine's own package sources stay as they are.
pub(crate) fn commands() -> Result<Vec<Command>> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no release; install qemu 8.2 or newer by hand")?;
    let backports = format!("{codename}-backports");
    let directory = cmd::guest().join("apt");
    let sources = directory.join("sources.list");
    let lists = directory.join("lists");
    let script = format!(
        "mkdir -p {lists}/partial && archive=$(apt-get indextargets --format '$(REPO_URI)' \
         'Created-By: Packages' 'Codename: {codename}' 'Component: main' | head -n 1) && \
         printf 'deb %s %s main\\n' \"$archive\" {codename} \"$archive\" {backports} > {sources}",
        lists = cmd::quote(lists.as_os_str()),
        sources = cmd::quote(sources.as_os_str()),
    );
    let mut list = cmd::new("sh");
    list.args(["-e", "-c", &script]);
    let sources = format!("Dir::Etc::sourcelist={}", sources.display());
    let lists = format!("Dir::State::lists={}", lists.display());
    let apt = |words: &[&str]| {
        let mut line = vec!["apt-get", "-o", &sources, "-o", "Dir::Etc::sourceparts=-"];
        line.extend(["-o", &lists]);
        line.extend(words);
        cmd::privileged(&line)
    };
    let install = [
        "install",
        "-y",
        "--no-install-recommends",
        "-t",
        &backports,
        "qemu-system-x86",
    ];
    Ok(vec![list, apt(&["update"])?, apt(&install)?])
}

#[cfg(test)]
mod tests {
    use super::{NEEDED, version};

    #[test]
    fn versions_are_read() {
        let debian = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright";
        assert_eq!(version(debian), Some((10, 0)));
        let old = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright";
        assert!(version(old).is_some_and(|version| version < NEEDED));
        assert_eq!(version("no such program"), None);
    }
}
