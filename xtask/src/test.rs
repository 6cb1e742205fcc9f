//! `cargo xtask test`: everything that must pass, natively and in the guest; the last line sums it up.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    build::{self, Profile},
    cmd,
    count::Count,
    lint,
    setup::{self, Install, Purpose},
    vm::Vm,
};

/// Set up, build, lint, and run all tests.
#[derive(Args, Clone, Debug)]
pub(crate) struct Test {
    #[command(flatten)]
    install: Install,
}

impl Test {
    pub(crate) fn run(self) -> ExitCode {
        let start = Instant::now();
        let mut count = Count::default();
        let ready = count.stage("setup", || setup::ensure(Purpose::Test, self.install))
            && count.stage("eBPF object", build::ebpf)
            && count.stage("workspace", || build::workspace(Profile::Dev));
        if ready {
            count.stage("lint", lint::all);
            count.stage_of("unit tests", unit);
            count.stage_of("kernel tests", kernel);
            count.stage_of("guest", || Vm::for_tests(self.install).guest());
        }
        eprintln!("took {:.0} s", start.elapsed().as_secs_f64());
        count.conclude();
        if count.passes() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl Count {
    /// A stage without tests of its own, whose failure is one.
    fn stage(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        let mut succeeds = false;
        self.stage_of(name, || {
            work()?;
            succeeds = true;
            Ok(Self::default())
        });
        succeeds
    }

    /// A stage whose tests are counted; one that cannot even count is a failure.
    fn stage_of(&mut self, name: &str, work: impl FnOnce() -> Result<Self>) {
        match cmd::stage(name, work) {
            Ok(count) => *self += count.within(name),
            Err(error) => {
                cmd::say(&error);
                self.fail(name, &format_args!("{error:#}"));
            }
        }
    }
}

fn unit() -> Result<Count> {
    let mut cargo = cmd::cargo(&[
        "test",
        "--workspace",
        "--exclude",
        "trimtab-tests",
        "--no-fail-fast",
    ]);
    run(&mut cargo)
}

/// End to end on this host's own kernel, one test after another: they measure, and share its CPUs.
fn kernel() -> Result<Count> {
    let mut cargo = cmd::cargo(&["test", "--package", "trimtab-tests", "--no-fail-fast", "--"]);
    if !cmd::is_root() {
        let listing = cmd::output(cargo.args(["--list"]))?;
        let left_out = listing
            .lines()
            .filter(|line| line.ends_with(": test"))
            .count();
        println!(
            "SKIP: {left_out} tests load eBPF and make cgroups, which needs root; run `sudo -E env PATH=\"$PATH\" cargo xtask test`"
        );
        return Ok(Count::skipped(left_out));
    }
    run(cargo.arg("--test-threads=1"))
}

/// Runs test programs, passing on what they print while counting it.
fn run(command: &mut Command) -> Result<Count> {
    // Snapshots are reviewed by people; here a difference is a failure.
    command.env("INSTA_UPDATE", "no");
    eprintln!("    $ {}", cmd::show(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", cmd::show(command)))?;
    let (send, lines) = mpsc::channel();
    follow(child.stdout.take(), send.clone());
    follow(child.stderr.take(), send);
    let mut count = Count::default();
    for line in lines {
        count.line(&line);
        println!("    | {line}");
    }
    let status = child.wait()?;
    if !status.success() && count.passes() {
        bail!(
            "`{}` failed without a failed test: {status}",
            cmd::show(command)
        );
    }
    Ok(count)
}

fn follow(stream: Option<impl Read + Send + 'static>, send: mpsc::Sender<String>) {
    let Some(stream) = stream else {
        return;
    };
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            // The receiver outlives both streams.
            let _ = send.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
