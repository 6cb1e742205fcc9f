//! `cargo xtask lint`: format, clippy on both targets, file lengths, marks, licences.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    build::{self, Lines},
    cmd,
    toolchain::{TARGET, Toolchain},
};

/// The longest a source file may be, in lines.
const LONGEST: usize = 500;
/// Directories that hold nothing of ours.
const FOREIGN: &[&str] = &["target", ".git"];
/// Kinds of files that are searched for marks.
const TEXTS: &[&str] = &["rs", "toml", "md", "proto", "sh", "service"];

/// Check everything that is not a test.
#[derive(Args, Clone, Debug)]
pub(crate) struct Lint {}

impl Lint {
    #[expect(clippy::unused_self, reason = "every task has this form")]
    pub(crate) fn run(self) -> Result<ExitCode> {
        cmd::stage("eBPF object", build::ebpf)?;
        all()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One check, which fails by an error.
type Check = fn() -> Result<()>;

/// Every check, also after one has failed; the agent's needs the eBPF object.
pub(crate) fn all() -> Result<()> {
    let checks: [(&str, Check); 5] = [
        ("format", format),
        ("files", files),
        ("clippy", clippy),
        ("clippy for eBPF", ebpf),
        ("licences and advisories", deny),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        if let Err(error) = cmd::stage(name, check) {
            cmd::say(&error);
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn format() -> Result<()> {
    cmd::run(&mut cmd::cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let arguments = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--features",
        "trimtab/probe-log",
        "--",
        "--deny",
        "warnings",
    ];
    cmd::run(&mut cmd::cargo(&arguments))
}

fn ebpf() -> Result<()> {
    let toolchain =
        Toolchain::find()?.context("no eBPF toolchain; `cargo xtask setup` installs one")?;
    if !toolchain.has_clippy() {
        eprintln!(
            "    left out: toolchain `{}` has no clippy",
            toolchain.name()
        );
        return Ok(());
    }
    for lines in [Lines::None, Lines::Written] {
        let mut cargo = toolchain.cargo("clippy", lines.features());
        cargo.args(["--", "--deny", "warnings"]);
        cmd::run(&mut cargo).with_context(|| format!("clippy for {TARGET}"))?;
    }
    Ok(())
}

fn deny() -> Result<()> {
    if cmd::find("cargo-deny").is_none() {
        eprintln!(
            "    left out: cargo-deny is not installed (`cargo install cargo-deny --locked`)"
        );
        return Ok(());
    }
    cmd::run(&mut cmd::cargo(&["deny", "check"]))
}

/// Length of source files, and marks that a finished change does not carry.
fn files() -> Result<()> {
    let mut paths = Vec::new();
    collect(cmd::root(), &mut paths)?;
    let mut wrong = Vec::new();
    for path in &paths {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        wrong.extend(check(path.strip_prefix(cmd::root()).unwrap_or(path), &text));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    eprintln!("    {} files", paths.len());
    Ok(())
}

fn check(path: &Path, text: &str) -> Vec<String> {
    let is_source = path.extension().is_some_and(|kind| kind == "rs");
    let length = text.lines().count();
    let mut wrong = Vec::new();
    if is_source && length > LONGEST {
        wrong.push(format!(
            "{}: {length} lines, {LONGEST} are allowed",
            path.display()
        ));
    }
    // Put together here, so that this file does not find itself.
    let mut marks = vec![concat!("TO", "DO"), concat!("FIX", "ME")];
    if is_source {
        marks.extend([concat!("#[al", "low("), concat!("#![al", "low(")]);
    }
    for (number, line) in text.lines().enumerate() {
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            wrong.push(format!("{}:{}: `{mark}`", path.display(), number + 1));
        }
    }
    wrong
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        if kind.is_dir() && !FOREIGN.iter().any(|foreign| name == *foreign) {
            collect(&path, paths)?;
        } else if kind.is_file()
            && path
                .extension()
                .is_some_and(|kind| TEXTS.iter().any(|text| kind == *text))
        {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_long_files_and_marks() {
        let long = "\n".repeat(LONGEST + 1);
        assert_eq!(check(Path::new("a.rs"), &long).len(), 1);
        assert!(check(Path::new("a.md"), &long).is_empty());
        let marked = format!(
            "// {}\n{}dead_code)]\n",
            concat!("TO", "DO"),
            concat!("#[al", "low(")
        );
        assert_eq!(check(Path::new("a.rs"), &marked).len(), 2);
    }
}
