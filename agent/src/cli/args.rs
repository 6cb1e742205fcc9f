//! The tree of subcommands and the options that all of them share.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{
    agent, check_config, compare, doctor, explain, history, join, mode, pause, pin, processes,
    record, replay, restore, run, show, status, top, tune, watch, why, workloads,
};

/// Keeps each workload at the smallest limits under which it never waits, and says why.
#[derive(Debug, Parser)]
#[command(
    name = "trimtab",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(super) struct Cli {
    /// Print JSON: one object, or one per line where there is no end.
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// The agent's socket [default: the configuration's, /run/trimtab/trimtab.sock]
    #[arg(long, global = true, value_name = "PATH", env = "TRIMTAB_SOCKET")]
    pub(super) socket: Option<PathBuf>,

    /// The configuration file [default: /etc/trimtab/trimtab.toml if it exists]
    #[arg(long, global = true, value_name = "PATH", env = "TRIMTAB_CONFIG")]
    pub(super) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the agent in the foreground
    Agent(agent::Args),
    /// Show the agent as a whole: workloads, pools, the fast loop, its own cost
    Status(status::Args),
    /// Show who waits, who is throttled, who borrows and what was just done, and keep showing it
    Top(top::Args),
    /// List the workloads with their use and limits
    Workloads(workloads::Args),
    /// Show one workload
    Show(show::Args),
    /// Say why a workload's limits were changed, or were not
    Explain(explain::Args),
    /// Say behind whom a workload's tasks waited for a CPU lately
    Why(why::Args),
    /// Show what other policies would have held, beside those in force
    Compare(compare::Args),
    /// List processes with what they waited for
    Processes(processes::Args),
    /// Print what happens as it happens
    Watch(watch::Args),
    /// Change what may be done with a workload's decisions
    Mode(mode::Args),
    /// Leave a workload's limits as they are
    Pin(pin::Args),
    /// Undo `pin`
    Unpin(pin::Args),
    /// Write no limits until `resume`
    Pause(pause::Args),
    /// Undo `pause`
    Resume(pause::Args),
    /// Show each probe and capability: on, degraded or off, and why
    Doctor(doctor::Args),
    /// Check a configuration file and say what is wrong with it
    CheckConfig(check_config::Args),
    /// Record, and look into recordings: do they replay, what would another policy decide
    Record(record::Args),
    /// Show what a recording has of one workload over time
    History(history::Args),
    /// Replay history on a simulated node under several policies, and score them
    Replay(replay::Args),
    /// Look for parameters of a policy that do better on history than those it has
    Tune(tune::Args),
    /// Put back the limits that an agent which is gone has changed
    Restore(restore::Args),
    /// Run a command as a workload of its own
    Run(run::Args),
    /// Join groups, then become a command: what `run` starts
    #[command(name = join::NAME, hide = true)]
    Join(join::Args),
}
