//! The command line: one file per subcommand.

mod agent;
mod anomalies;
mod args;
mod check_config;
mod compare;
#[cfg(test)]
mod compare_goldens;
mod context;
mod cost;
mod doctor;
mod energy;
mod entry;
mod exit;
mod explain;
#[cfg(test)]
mod goldens;
#[cfg(test)]
mod gpu_goldens;
mod gpus;
mod history;
mod hooks;
mod identity;
#[cfg(test)]
mod identity_goldens;
mod join;
mod journal;
#[cfg(test)]
mod journal_goldens;
mod mode;
mod output;
mod pause;
mod pin;
#[cfg(test)]
mod policy_goldens;
#[cfg(test)]
mod process_goldens;
mod processes;
mod progress;
mod record;
mod replay;
mod restore;
mod room;
mod run;
mod show;
mod signals;
mod stalls;
#[cfg(test)]
mod stalls_goldens;
mod status;
mod table;
mod top;
mod tune;
mod units;
mod watch;
mod why;
mod workloads;

pub use entry::main;
pub use exit::Failure;
pub use hooks::Hooks;
