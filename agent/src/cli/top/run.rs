//! From options to a screen, or to one print of it.

use std::{
    env,
    io::{IsTerminal, stdout},
    process::ExitCode,
    time::Duration,
};

use super::{
    draw::Look,
    interact,
    once::once,
    order::{Order, Sort},
    state::State,
};
use crate::{
    api::Client,
    cli::{
        Failure,
        context::{Context, runtime},
    },
};

/// The shortest time between two questions to the agent, which looks once a second itself.
const SHORTEST: Duration = Duration::from_millis(100);

/// Options of `trimtab top`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print one screen and end; so it does where stdout is no terminal, and with --json
    #[arg(long)]
    once: bool,

    /// How often to ask the agent; less often where the answers take a twentieth of that time
    #[arg(long, default_value = "1s", value_name = "TIME")]
    interval: humantime::Duration,

    /// What comes first
    #[arg(long, value_name = "ORDER", default_value = "waiting")]
    sort: Sort,

    /// Only workloads with this in their name, path or policy
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,

    /// Children below their parents
    #[arg(long)]
    tree: bool,
}

pub(in crate::cli) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let state = State::new(Order {
        sort: args.sort,
        tree: args.tree,
        filter: args.filter.clone(),
        ..Order::default()
    });
    let socket = context.socket_path()?;
    let interval = Duration::from(args.interval).max(SHORTEST);
    let look = Look::of(|name| env::var(name).ok());
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    runtime()?.block_on(async {
        // Who mistypes the socket, or may not ask, learns it at once; a screen that waits is for agents that go.
        let mut client = Client::connect(&socket).await?;
        client.status().await?;
        if args.once || context.json || dumb || !stdout().is_terminal() {
            return once(client, state, interval, context.json, look).await;
        }
        interact::interact(socket, client, state, interval, look).await
    })
}
