//! One screen, printed.

use std::{env, process::ExitCode, time::Duration};

use ratatui::{buffer::Buffer, crossterm::terminal};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{
    draw::{self, Look},
    feed::{past, sample},
    news::News,
    row::Row,
    state::State,
};
use crate::{
    api::{
        Client,
        view::{Entry, Status},
    },
    cli::{Failure, output::print},
};

/// How many of the last changes come with it.
const CHANGES: u32 = 10;
/// How wide it is where nothing says.
const WIDTH: u16 = 80;

/// What `--json` says.
#[derive(Debug, Serialize)]
struct Screen<'a> {
    status: &'a Status,
    workloads: Vec<&'a Row>,
    changes: Vec<&'a Entry>,
}

/// Looks twice, since what happens per second takes two looks, and prints what there is.
pub(super) async fn once(
    mut client: Client,
    mut state: State,
    interval: Duration,
    json: bool,
    look: Look,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    state.hear(News::Sample(Box::new(sample(&mut client, began).await?)));
    sleep_until(began + interval).await;
    state.hear(News::Sample(Box::new(sample(&mut client, began).await?)));
    state.hear(News::Past(past(&mut client, CHANGES).await?));
    state.every_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let Some(status) = state.status.clone() else {
        return Ok(ExitCode::SUCCESS);
    };
    let screen = Screen {
        status: &status,
        workloads: state
            .lines
            .iter()
            .map(|line| &state.rows[line.row])
            .collect(),
        changes: state.changes.newest().collect(),
    };
    let mut plain = state.clone();
    print(json, &screen, |_| {
        text(&draw::all(&mut plain, width(), look))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// As wide as the terminal, or as the shell says.
fn width() -> u16 {
    let said = || env::var("COLUMNS").ok()?.parse().ok();
    let terminal = || terminal::size().ok().map(|(columns, _)| columns);
    said().or_else(terminal).unwrap_or(WIDTH).clamp(40, 1_000)
}

/// A frame as lines, without trailing blanks.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let mut text = String::new();
    for line in buffer.content().chunks(width) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
