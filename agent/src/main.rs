//! The `trimtab` binary: agent and client in one.

use std::process::ExitCode;

use trimtab::{cli, run};

fn main() -> ExitCode {
    cli::main(cli::Hooks {
        agent: run::agent,
        restore: run::restore,
        doctor: run::doctor,
    })
}
