//! Running commands: each is shown before it runs, and its failure names it.
//!
//! Progress goes to the standard error, so that what a task is asked for (`--json`, the closing line) can be piped.

use std::{
    convert::Infallible,
    env,
    ffi::OsStr,
    fs, io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Error, Result, bail};

/// The repository root: tasks work from any directory inside the checkout.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// The directory that every build product goes to.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// Where the guest's parts are made.
pub(crate) fn guest() -> PathBuf {
    target().join("vm")
}

/// A command that starts in the repository root.
pub(crate) fn new(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    // `cargo run` points LD_LIBRARY_PATH at its own toolchain's libraries, which are wrong for another toolchain's compiler.
    command.current_dir(root()).env_remove("LD_LIBRARY_PATH");
    command
}

/// `cargo` of the toolchain that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// The command line as it can be typed into a shell.
pub(crate) fn show(command: &Command) -> String {
    let environment = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.display(), quote(value?))));
    let program = Path::new(command.get_program());
    let program = match program.file_name() {
        Some(name) if name == "cargo" => name,
        _ => command.get_program(),
    };
    let words = [program].into_iter().chain(command.get_args()).map(quote);
    environment.chain(words).collect::<Vec<_>>().join(" ")
}

/// The word as a shell reads it back.
pub(crate) fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs to the end with this terminal's input; what it writes counts as progress.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("    $ {}", show(command));
    let status = command
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot start `{}`", show(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", show(command));
    }
    Ok(())
}

/// Runs to the end quietly and returns what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", show(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` failed: {}\n{}",
            show(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Becomes the command, so that signals and the exit status are the command's own.
pub(crate) fn exec(command: &mut Command) -> Result<Infallible> {
    eprintln!("    $ {}", show(command));
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start `{}`", show(command)))
}

/// The program's path, if `PATH` or cargo's own directory of installed programs has it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))
        .map(|home| home.join("bin"));
    // Plain users on Debian lack the sbin directories, although much there runs without root.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(cargo)
        .chain(system)
        .map(|directory| directory.join(program))
        .find(|file| {
            fs::metadata(file).is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0)
        })
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

/// Says an error with its causes; a backtrace through a task runner would tell nobody anything.
pub(crate) fn say(error: &Error) {
    eprintln!("error: {error:#}");
}

/// Does one stage of a task, saying when it starts, and how long it took.
pub(crate) fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("stage `{name}` failed"));
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!(
        "<== {name}: {outcome} in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    result
}

/// The command as root: directly, by sudo, or refused with what to type.
pub(crate) fn privileged(words: &[&str]) -> Result<Command> {
    let noninteractive = "DEBIAN_FRONTEND=noninteractive";
    if is_root() {
        let mut direct = new(words[0]);
        direct.args(&words[1..]);
        direct.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(direct);
    }
    if find("sudo").is_none() {
        bail!(
            "this needs root, and there is no sudo; as root, run:\n    {noninteractive} {}",
            words.join(" ")
        );
    }
    let mut sudo = new("sudo");
    sudo.args(["env", noninteractive]);
    sudo.args(words);
    Ok(sudo)
}
