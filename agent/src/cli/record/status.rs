//! `trimtab record status`.

use std::process::ExitCode;

use serde::Serialize;

use super::super::{
    Failure,
    context::Context,
    output::{BAD, HEAD, paint, print},
    table::Table,
    units::{bytes, wall},
};
use crate::{
    api::view::Finding,
    record::{SegmentFile, header, segments},
};

/// What there is.
#[derive(Debug, Serialize)]
struct Status {
    directory: String,
    enabled: bool,
    limit_bytes: u64,
    bytes: u64,
    segments: Vec<Shown>,
    /// What the agent says; `None` where none answers, or it does not record.
    agent: Option<Finding>,
}

/// One segment.
#[derive(Debug, Serialize)]
struct Shown {
    number: u64,
    file: String,
    bytes: u64,
    begun_unix_ns: Option<u64>,
    continues: bool,
    program: Option<String>,
    trouble: Option<String>,
}

pub(super) fn run(context: &Context) -> Result<ExitCode, Failure> {
    let record = context.load()?.0.record;
    let directory = &record.directory;
    let found = if directory.exists() {
        segments(directory)?
    } else {
        Vec::new()
    };
    let agent = context.ask(async |mut agent| Ok(agent.status().await?));
    let status = Status {
        directory: directory.display().to_string(),
        enabled: record.enabled,
        limit_bytes: record.limit.0,
        bytes: found.iter().map(|segment| segment.bytes).sum(),
        segments: found.iter().map(shown).collect(),
        agent: agent.ok().and_then(|status| status.recording),
    };
    print(context.json, &status, render)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(segment: &SegmentFile) -> Shown {
    let header = header(&segment.path);
    let (header, trouble) = match header {
        Ok(header) => (Some(header), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Shown {
        number: segment.number,
        file: super::shown(&segment.path),
        bytes: segment.bytes,
        begun_unix_ns: header.as_ref().map(|header| header.unix_ns),
        continues: header.as_ref().is_some_and(|header| header.continues),
        program: header.map(|header| header.program),
        trouble,
    }
}

fn render(status: &Status) -> String {
    let mut table = Table::new(&["SEGMENT", "BEGUN", ">SIZE", ""]);
    for segment in &status.segments {
        let note = match &segment.trouble {
            Some(trouble) => paint(BAD, trouble),
            None if segment.continues => "goes on from the one before".into(),
            None => String::new(),
        };
        table.row([
            segment.number.to_string(),
            segment.begun_unix_ns.map_or_else(String::new, wall),
            bytes(segment.bytes),
            note,
        ]);
    }
    let agent = match &status.agent {
        Some(finding) => super::standing(finding),
        None => "no agent that records answers".into(),
    };
    let enabled = if status.enabled { "on" } else { "off" };
    let mut text = format!(
        "{} {enabled} in the configuration; {} of {} in {}\n{} {agent}\n",
        paint(HEAD, "recording"),
        bytes(status.bytes),
        bytes(status.limit_bytes),
        status.directory,
        paint(HEAD, "agent    "),
    );
    if !status.segments.is_empty() {
        text += &table.render();
    }
    text
}
