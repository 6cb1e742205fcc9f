//! `trimtab run`: any command as a workload of its own.

mod child;
mod group;
mod meter;
mod summary;

use std::{
    ffi::OsString,
    io::Write,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use trimtab_core::signal::Amount;

use self::{
    group::{Group, Limits},
    meter::Meter,
    summary::{Agent, Summary},
};
use super::{
    Failure,
    context::{Context, runtime},
    exit::{OS, UNAVAILABLE},
    output,
    signals::Signals,
};
use crate::{
    api::{Client, client::ClientError, view::Adoption},
    config::{parse_bytes, parse_cpus},
    sense::hierarchy::Hierarchies,
};

/// Time between two looks at the group.
const SAMPLE: Duration = Duration::from_millis(50);

/// How long the agent may take to adopt or release; the command does not wait for more.
const PATIENCE: Duration = Duration::from_secs(3);

/// Options of `trimtab run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// CPU limit to begin with: 0.5, 250m
    #[arg(long, value_name = "CPUS", value_parser = amount_of_cpu)]
    cpu_max: Option<Amount>,

    /// Memory limit to begin with: 64MiB
    #[arg(long, value_name = "SIZE", value_parser = amount_of_memory)]
    memory_max: Option<Amount>,

    /// The most CPU that the agent may give [default: the node's]
    #[arg(long, value_name = "CPUS", value_parser = amount_of_cpu)]
    cpu_ceiling: Option<Amount>,

    /// The most memory that the agent may give [default: the node's]
    #[arg(long, value_name = "SIZE", value_parser = amount_of_memory)]
    memory_ceiling: Option<Amount>,

    /// The workload's name [default: the command's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The command and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

fn amount_of_cpu(text: &str) -> Result<Amount, String> {
    parse_cpus(text)
}

fn amount_of_memory(text: &str) -> Result<Amount, String> {
    parse_bytes(text)
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let failed = |what: &'static str| {
        move |error: std::io::Error| Failure {
            code: OS,
            error: anyhow::Error::new(error).context(what),
        }
    };
    let signals = Signals::hold().map_err(failed("hold back signals"))?;
    let hierarchies = Hierarchies::detect().map_err(|error| Failure {
        code: OS,
        error: anyhow::Error::new(error).context("find the cgroup hierarchies"),
    })?;
    let limits = Limits {
        cpu: args.cpu_max,
        memory: args.memory_max,
    };
    let name = name_of(args);
    let group = Group::create(&hierarchies, &name, limits)?;
    let path = format!("/{}", group.owned().path());
    let agent = Adopted::try_new(context, args, &name, &path);

    let started = Instant::now();
    let mut meter = Meter::new(&hierarchies, &path, started);
    let mut child = child::spawn(group.owned().dirs(), &args.command)
        .map_err(failed("start trimtab __join"))?;
    let status = child::wait(&mut child, &signals, SAMPLE, |now| meter.sample(now))
        .map_err(failed("wait for the command"))?;
    let ended = Instant::now();

    let usage = meter.finish(ended);
    let agent = agent.release(&path);
    let leftover = group.remove();
    let code = child::code(status);
    let command = args
        .command
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let wall = u64::try_from((ended - started).as_nanos()).unwrap_or(u64::MAX);
    say(
        &Summary::new(command, code, wall, &usage, agent).with(leftover),
        context.json,
    );
    Ok(ExitCode::from(code))
}

/// On stderr, since stdout is the command's. The command's exit code is what counts, so nothing is
/// made of it when nobody listens.
fn say(summary: &Summary, json: bool) {
    let mut err = anstream::stderr().lock();
    let _ = match serde_json::to_string(summary) {
        Ok(text) if json => writeln!(err, "{text}"),
        _ => err.write_all(summary.render().as_bytes()),
    };
}

/// A name that is a plain part of a path: the one given, or the command's last part.
fn name_of(args: &Args) -> String {
    let program = args
        .command
        .first()
        .map(Path::new)
        .and_then(Path::file_name);
    let given = args
        .name
        .clone()
        .or_else(|| program.map(|name| name.to_string_lossy().into_owned()));
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = given
        .unwrap_or_default()
        .chars()
        .take(32)
        .map(plain)
        .collect();
    if name.is_empty() {
        "command".to_owned()
    } else {
        name
    }
}

/// The agent that looks after the group, if there is one.
enum Adopted {
    By(Box<(Client, tokio::runtime::Runtime)>),
    Nobody(String),
}

impl Adopted {
    /// Asks the agent to manage the group. The command runs without it, too.
    fn try_new(context: &Context, args: &Args, name: &str, path: &str) -> Self {
        let adoption = Adoption {
            path: path.to_owned(),
            name: name.to_owned(),
            cpu_ceiling_micro_cpus: args.cpu_ceiling.map(|amount| amount.0),
            memory_ceiling_bytes: args.memory_ceiling.map(|amount| amount.0),
        };
        let connect = || -> Result<_, Failure> {
            let (socket, runtime) = (context.socket_path()?, runtime()?);
            let adopted = runtime.block_on(async {
                tokio::time::timeout(PATIENCE, async {
                    let mut client = Client::connect(&socket).await?;
                    client.adopt(adoption).await?;
                    Ok::<_, ClientError>(client)
                })
                .await
            });
            match adopted {
                Ok(client) => Ok(Self::By(Box::new((client?, runtime)))),
                Err(_) => Ok(Self::Nobody(format!(
                    "the agent took longer than {} s",
                    PATIENCE.as_secs()
                ))),
            }
        };
        connect().unwrap_or_else(|failure| {
            output::note(&format!("going on without an agent: {:#}", failure.error));
            // The remark has told the details.
            Self::Nobody(if failure.code == UNAVAILABLE {
                "no agent answers".into()
            } else {
                format!("{:#}", failure.error)
            })
        })
    }

    /// Ends it, and learns what came of it.
    fn release(self, path: &str) -> Agent {
        match self {
            Self::Nobody(reason) => Agent::Absent(reason),
            Self::By(mut agent) => {
                let (client, runtime) = &mut *agent;
                match runtime
                    .block_on(async { tokio::time::timeout(PATIENCE, client.release(path)).await })
                {
                    Ok(Ok(released)) => Agent::Managed(Box::new(released)),
                    Ok(Err(error)) => Agent::Absent(error.to_string()),
                    Err(_) => Agent::Absent(format!(
                        "the agent took longer than {} s",
                        PATIENCE.as_secs()
                    )),
                }
            }
        }
    }
}
