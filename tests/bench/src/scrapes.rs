//! What a scrape of metrics costs: how long it holds the slow loop up, and how long its answer takes.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use trimtab_tests::scrape;

use crate::spread::{Spread, count};

/// Longer than a tick, so that nothing is told twice.
const APART: Duration = Duration::from_millis(1_100);
/// The metric by which the agent tells for how long it was held up.
const HELD: &str = "trimtab_agent_scrape_duration_seconds ";

/// What some scrapes cost.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Scrapes {
    /// For how long the slow loop was held up, in ms.
    pub(crate) held_ms: Spread,
    /// From the connection to the end of the answer, in ms.
    pub(crate) answer_ms: Spread,
    /// The last answer.
    pub(crate) kib: f64,
}

/// Scrapes so many times, further apart than ticks are.
pub(crate) fn scrapes(address: SocketAddr, times: usize) -> Result<Scrapes> {
    let (mut held, mut answers) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..times {
        thread::sleep(APART);
        let begun = Instant::now();
        let text = scrape(address, "application/openmetrics-text")?;
        answers.push(begun.elapsed().as_secs_f64() * 1e3);
        bytes = text.len();
        let line = text.lines().find_map(|line| line.strip_prefix(HELD));
        let seconds: f64 = line.with_context(|| format!("no {HELD}"))?.parse()?;
        held.push(seconds * 1e3);
    }
    Ok(Scrapes {
        held_ms: Spread::of(held),
        answer_ms: Spread::of(answers),
        kib: count(bytes) / 1024.0,
    })
}
