//! The `lab` program: the library's workloads from a shell.

mod cli;

fn main() -> anyhow::Result<()> {
    cli::run()
}
