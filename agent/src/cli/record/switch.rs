//! `trimtab record start` and `trimtab record stop`.

use std::process::ExitCode;

use super::super::{
    Failure,
    context::Context,
    output::{BAD, paint, print},
    units::bytes,
};
use crate::api::view::Recording;

pub(super) fn run(on: bool, context: &Context) -> Result<ExitCode, Failure> {
    let recording = context.ask(async |mut agent| Ok(agent.record(on).await?))?;
    print(context.json, &recording, render)?;
    Ok(ExitCode::SUCCESS)
}

fn render(recording: &Recording) -> String {
    let Recording {
        on,
        configured,
        directory,
        bytes: size,
        segments,
        trouble,
    } = recording;
    let mut text = if *on {
        format!("recording to {directory} until `trimtab record stop` or the agent's end\n")
    } else {
        let size = bytes(*size);
        format!(
            "nothing is recorded any more; {directory} has {size} in segments: {segments}; \
             `trimtab record verify` decides them again\n"
        )
    };
    if let Some(trouble) = trouble {
        let trouble = format!("not everything could be written: {trouble}");
        text += &paint(BAD, trouble);
        text += "\n";
    }
    text += if *configured {
        "an agent that starts again records, as its configuration says\n"
    } else {
        "an agent that starts again does not record, as its configuration says\n"
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::goldens::both;

    #[test]
    fn a_switch_says_how_long_it_lasts() {
        let started = Recording {
            on: true,
            configured: false,
            directory: "/var/lib/trimtab/record".into(),
            bytes: 70_000,
            segments: 1,
            trouble: None,
        };
        both("record_start", &started, render);
        let full = Recording {
            segments: 0,
            bytes: 0,
            trouble: Some("write /var/lib/trimtab/record/0000000001.trimrec: no space".into()),
            ..started.clone()
        };
        both("record_start_full", &full, render);
        let stopped = Recording {
            on: false,
            configured: true,
            bytes: 3 << 20,
            segments: 4,
            ..started
        };
        both("record_stop", &stopped, render);
    }
}
