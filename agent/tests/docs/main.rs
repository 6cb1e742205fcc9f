//! What the documents say is true: their examples parse, their commands exist, their numbers come out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod commands;
mod examples;
mod settings;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// README.md and everything under docs/, with their texts.
fn documents() -> Vec<(PathBuf, String)> {
    let listed = fs::read_dir(root().join("docs")).unwrap();
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.push(root().join("README.md"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Every link to a file leads to one.
#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for (path, text) in documents() {
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap();
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = path.parent().unwrap().join(file);
            assert!(file.exists(), "{}: {target}", path.display());
            seen += 1;
            if !anchor.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                let heading = |line: &str| {
                    line.trim_start_matches('#')
                        .trim()
                        .to_lowercase()
                        .replace(' ', "-")
                };
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| heading(line) == anchor),
                    "{}: {target}",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 5, "{seen} links were found");
}

/// A path in backquotes that begins with one of our own rooms is there.
#[test]
fn named_files_are_there() {
    let rooms = [
        "agent/",
        "agent-ebpf/",
        "config/",
        "docs/",
        "packaging/",
        "tests/",
        "xtask/",
    ];
    let mut seen = 0;
    for (path, text) in documents() {
        for name in text.split('`').skip(1).step_by(2) {
            if rooms.iter().any(|room| name.starts_with(room))
                && !name.contains(char::is_whitespace)
            {
                assert!(root().join(name).exists(), "{}: {name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} names were found");
}
