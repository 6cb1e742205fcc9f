//! `cargo xtask TASK`: everything that a checkout needs beyond plain cargo, one task per file.

mod bench;
mod build;
mod cmd;
mod count;
mod emulator;
mod kernel;
mod lint;
mod run;
mod setup;
mod test;
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, runs, tests and measures Trimtab.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building (or testing, or measuring) needs and is missing
    Setup(setup::Setup),
    /// Build the eBPF object, then the workspace
    Build(build::Build),
    /// Build, and watch Trimtab steer lab workloads on this host
    Run(run::Run),
    /// Everything that must pass: lint, unit tests, tests on this kernel, tests in the guest
    Test(test::Test),
    /// Run tests or programs in a guest with Debian's kernel and cgroup v2
    Vm(vm::Vm),
    /// Measure, each against a baseline in the same run
    Bench(bench::Bench),
    /// Format, clippy on both targets, file lengths, marks, licences
    Lint(lint::Lint),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Setup(setup) => setup.run(),
        Task::Build(build) => build.run(),
        Task::Run(run) => run.run(),
        Task::Test(test) => Ok(test.run()),
        Task::Vm(vm) => vm.run(),
        Task::Bench(bench) => bench.run(),
        Task::Lint(lint) => lint.run(),
    };
    result.unwrap_or_else(|error| {
        cmd::say(&error);
        ExitCode::FAILURE
    })
}
