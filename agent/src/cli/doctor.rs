//! `trimtab doctor`.

use std::process::ExitCode;

use super::{
    Failure,
    context::{Context, runtime},
    output::{BAD, FAINT, FAIR, GOOD, HEAD, paint, print},
};
use crate::api::{
    Client,
    client::ClientError,
    view::{Finding, FindingState},
};

/// Options of `trimtab doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let findings = findings(context)?;
    print(context.json, &findings, |findings| render(findings))?;
    Ok(ExitCode::SUCCESS)
}

/// What the agent says of itself, or else what this process can find out.
fn findings(context: &Context) -> Result<Vec<Finding>, Failure> {
    let socket = context.socket_path()?;
    let asked = runtime()?.block_on(async { Client::connect(&socket).await?.doctor().await });
    match asked {
        Ok(findings) => Ok(findings),
        Err(error @ ClientError::NotRunning(_)) => {
            let (config, _) = context.load()?;
            let mut findings = vec![Finding {
                area: "agent".to_owned(),
                name: "running".to_owned(),
                state: FindingState::Off,
                why: error.to_string(),
                remedy: "what follows is what this command found out by itself".to_owned(),
            }];
            findings.extend((context.hooks.doctor)(&config)?);
            Ok(findings)
        }
        Err(error) => Err(error.into()),
    }
}

/// The whole text: an area per block, a finding per line.
pub(super) fn render(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    let mut area = None;
    for finding in findings {
        if area != Some(&finding.area) {
            if area.is_some() {
                lines.push(String::new());
            }
            lines.push(paint(HEAD, &finding.area));
            area = Some(&finding.area);
        }
        let state = match finding.state {
            FindingState::On => paint(GOOD, "on      "),
            FindingState::Degraded => paint(FAIR, "degraded"),
            FindingState::Off => paint(BAD, "off     "),
            FindingState::None => paint(FAINT, "none    "),
        };
        let line = format!("  {state}  {:<width$}  {}", finding.name, finding.why);
        lines.push(line.trim_end().to_owned());
        if !finding.remedy.is_empty() {
            lines.push(format!(
                "  {:10}{:width$}  {}",
                "",
                "",
                paint(FAINT, &finding.remedy)
            ));
        }
    }
    lines.join("\n") + "\n"
}
