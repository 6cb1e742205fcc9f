//! From arguments to an exit code.

use std::{io, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use super::{
    Failure, Hooks, agent,
    args::{Cli, Command},
    check_config, compare,
    context::Context,
    doctor,
    exit::{IO, USAGE},
    explain, history, join, mode, output, pause, pin, processes, record, replay, restore, run,
    show, status, top, tune, watch, why, workloads,
};

/// The whole of `main`: parses the arguments, does what they say, reports failure on stderr.
#[must_use]
pub fn main(hooks: Hooks) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let context = Context {
        json: cli.json,
        socket: cli.socket,
        config: cli.config,
        hooks,
    };
    match dispatch(cli.command, &context) {
        Ok(code) => code,
        // `trimtab watch | head` ends like that, and nothing is wrong.
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            output::report(&failure, context.json);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Command, context: &Context) -> Result<ExitCode, Failure> {
    match command {
        Command::Agent(args) => agent::run(&args, context),
        Command::Status(args) => status::run(&args, context),
        Command::Top(args) => top::run(&args, context),
        Command::Workloads(args) => workloads::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Why(args) => why::run(&args, context),
        Command::Compare(args) => compare::run(&args, context),
        Command::Processes(args) => processes::run(&args, context),
        Command::Watch(args) => watch::run(&args, context),
        Command::Mode(args) => mode::run(&args, context),
        Command::Pin(args) => pin::run(&args, true, context),
        Command::Unpin(args) => pin::run(&args, false, context),
        Command::Pause(args) => pause::run(&args, true, context),
        Command::Resume(args) => pause::run(&args, false, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::CheckConfig(args) => check_config::run(&args, context),
        Command::Record(args) => record::run(&args, context),
        Command::History(args) => history::run(&args, context),
        Command::Replay(args) => replay::run(&args, context),
        Command::Tune(args) => tune::run(&args, context),
        Command::Restore(args) => restore::run(&args, context),
        Command::Run(args) => run::run(&args, context),
        Command::Join(args) => join::run(&args),
    }
}

/// What clap says, with the exit code of `sysexits.h` instead of clap's own.
fn usage(error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        return ExitCode::from(IO);
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(USAGE),
    }
}

fn is_broken_pipe(failure: &Failure) -> bool {
    failure.code == IO
        && failure
            .error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
