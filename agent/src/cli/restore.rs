//! `trimtab restore`.

use std::process::ExitCode;

use super::{
    Failure,
    context::Context,
    output::{FAIR, GOOD, paint, print},
    table::Table,
};
use crate::api::view::Restored;

/// Options of `trimtab restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (config, _) = context.load()?;
    let restored = (context.hooks.restore)(&config)?;
    print(context.json, &restored, |restored| render(restored))?;
    Ok(ExitCode::SUCCESS)
}

/// The whole text.
pub(super) fn render(restored: &[Restored]) -> String {
    if restored.is_empty() {
        return "the ledger is empty: there is nothing to restore\n".to_owned();
    }
    let mut table = Table::new(&["", "GROUP", "FILE", ">NOW", ">ORIGINAL", "NOTE"]);
    for one in restored {
        let done = if one.done {
            paint(GOOD, "restored")
        } else {
            paint(FAIR, "left")
        };
        table.row([
            done,
            one.path.clone(),
            one.file.clone(),
            one.now.clone(),
            one.original.clone(),
            one.note.clone(),
        ]);
    }
    table.render()
}
