//! The guest's file system: an initial RAM disk with busybox, the programs and their libraries.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::cmd;

/// Bytes of the guest's disk; the file is sparse.
const DISK: u64 = 2 << 30;
const DIRECTORIES: &[&str] = &[
    "bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "var/tmp",
];

/// Tests of peer credentials need users and groups that are not root.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
const GROUP: &str = "root:x:0:\ntrimtab:x:900:\ntrimtab-admin:x:901:\nnogroup:x:65534:\n";

/// systemd as Debian has it, the bus that it is spoken to by, and its clients.
const SYSTEMD: [&str; 5] = [
    "/usr/lib/systemd/systemd",
    "/usr/bin/dbus-daemon",
    "/usr/bin/busctl",
    "/usr/bin/systemctl",
    "/usr/bin/systemd-run",
];

/// What runs the programs, one after another.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    /// Those that want nobody else to write limits.
    pub(crate) plain: String,
    /// Those that want systemd as the first process; empty without any.
    pub(crate) systemd: String,
}

/// Packs the programs, each under its path inside, and the scripts that run them.
pub(crate) fn build(programs: &[(PathBuf, String)], scripts: &Scripts) -> Result<PathBuf> {
    let root = cmd::guest().join("root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    for name in DIRECTORIES {
        fs::create_dir_all(root.join(name))?;
    }
    copy(Path::new("/bin/busybox"), &root.join("bin/busybox"))?;
    copy(&cmd::root().join("tests/vm/init"), &root.join("init"))?;
    fs::write(root.join("guest.sh"), &scripts.plain)?;
    fs::write(root.join("etc/passwd"), PASSWD)?;
    fs::write(root.join("etc/group"), GROUP)?;
    symlink("/proc/mounts", root.join("etc/mtab"))?;

    let mut libraries = BTreeSet::new();
    if !scripts.systemd.is_empty() {
        fs::write(root.join("guest-systemd.sh"), &scripts.systemd)?;
        libraries.extend(systemd(&root)?);
    }
    for (program, inside) in programs {
        let to = root.join(inside.trim_start_matches('/'));
        // Debug information is most of the file, and unpacking it under emulation takes seconds.
        cmd::output(
            cmd::new("strip")
                .arg("--strip-debug")
                .arg("-o")
                .arg(to)
                .arg(program),
        )?;
        libraries.extend(libraries_of(program)?);
    }
    for library in libraries {
        let to = root.join(library.strip_prefix("/").unwrap_or(&library));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        copy(&library, &to)?;
    }

    let image = cmd::guest().join("initramfs.cpio");
    let pack = "find . | sort | cpio --quiet -o -H newc -R 0:0 > ../initramfs.cpio";
    cmd::output(cmd::new("sh").args(["-e", "-c", pack]).current_dir(&root))?;
    let bytes = fs::metadata(&image)?.len();
    eprintln!("    packed {} MiB: {}", bytes >> 20, image.display());
    Ok(image)
}

/// Adds systemd and the few units that it starts; the libraries that it takes.
fn systemd(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut libraries = BTreeSet::new();
    for program in SYSTEMD.map(Path::new) {
        let to = root.join(program.strip_prefix("/").unwrap_or(program));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        copy(program, &to)?;
        libraries.extend(libraries_of(program)?);
    }
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units)?;
    for file in fs::read_dir(cmd::root().join("tests/vm/systemd"))? {
        let file = file?;
        copy(&file.path(), &units.join(file.file_name()))?;
    }
    fs::rename(
        units.join("system.conf"),
        root.join("etc/systemd/system.conf"),
    )?;
    // What `daemon-reexec` executes.
    fs::create_dir_all(root.join("lib/systemd"))?;
    symlink("/usr/lib/systemd/systemd", root.join("lib/systemd/systemd"))?;
    // Without one it makes one up at each boot, and calls that the first.
    fs::write(
        root.join("etc/machine-id"),
        "0123456789abcdef0123456789abcdef\n",
    )?;
    Ok(libraries)
}

/// An empty disk: the guest's files lie in memory, and page cache is made only by what does not.
pub(crate) fn disk() -> Result<PathBuf> {
    let disk = cmd::guest().join("disk.img");
    if !disk.exists() {
        let new = cmd::guest().join("disk.new");
        File::create(&new)?.set_len(DISK)?;
        let mke2fs =
            cmd::find("mke2fs").context("no mke2fs; it is in Debian's package e2fsprogs")?;
        cmd::output(
            cmd::new(mke2fs)
                .args([
                    "-q",
                    "-F",
                    "-t",
                    "ext4",
                    "-O",
                    "^has_journal",
                    "-E",
                    "lazy_itable_init=1",
                ])
                .arg(&new),
        )?;
        fs::rename(&new, &disk)?;
    }
    Ok(disk)
}

/// The loader and the shared libraries, by the paths under which the program looks for them.
fn libraries_of(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let listing = cmd::output(cmd::new("ldd").arg(program))?;
    let words = listing
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).collect())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
