//! Switches the recording on and off while the agent runs.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    agent::{Agent, now},
    backend::Shared,
    entry,
};
use crate::{
    api::{backend::Refusal, view::Recording},
    record::{Standing, Tape},
};

/// How long an answer may wait for the first segment, so that it can say whether it could be written.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(5);

impl Shared {
    /// Records from now on, by the configuration that is in force.
    pub(super) fn start_recording(&self) -> Result<Recording, Refusal> {
        self.lock().start_recording()?;
        let begun = Instant::now();
        loop {
            let (standing, configured) = self.lock().recorded();
            let Some(standing) = standing else {
                return Err(Refusal::Conflict("somebody else has stopped it".into()));
            };
            let known = standing.segments > 0 || standing.trouble.is_some();
            if known || begun.elapsed() >= PATIENCE {
                return Ok(recording(true, configured, standing));
            }
            thread::sleep(LOOK);
        }
    }

    /// Records no longer. The slow loop does not wait for the disk.
    pub(super) fn stop_recording(&self) -> Result<Recording, Refusal> {
        let (tape, configured) = self.lock().stop_recording()?;
        Ok(recording(false, configured, tape.end()))
    }
}

impl Agent {
    fn start_recording(&mut self) -> Result<(), Refusal> {
        if let Some(standing) = self.engine.standing() {
            let directory = standing.directory.display();
            return Err(Refusal::Conflict(format!(
                "it is recording already, to {directory}; `trimtab record stop` ends that"
            )));
        }
        let record = &self.selection.config().record;
        let directory = record.directory.display().to_string();
        let tape = Tape::start(record.directory.clone(), record.limit.0).map_err(|error| {
            Refusal::Failed(format!("the thread that writes cannot be started: {error}"))
        })?;
        self.engine.start(tape);
        self.remark(format!("recording to {directory} was started"));
        Ok(())
    }

    fn stop_recording(&mut self) -> Result<(Tape, bool), Refusal> {
        let tape = self.engine.stop().ok_or_else(|| {
            Refusal::Conflict("nothing is being recorded; `trimtab record start` begins it".into())
        })?;
        self.remark("the recording was stopped".into());
        Ok((tape, self.selection.config().record.enabled))
    }

    /// How the recording stands, and whether the configuration has it on.
    fn recorded(&self) -> (Option<Standing>, bool) {
        let configured = self.selection.config().record.enabled;
        (self.engine.standing(), configured)
    }

    fn remark(&mut self, text: String) {
        tracing::info!("{text}");
        self.journal.push(entry::about_node(now(), "record", text));
    }
}

fn recording(on: bool, configured: bool, standing: Standing) -> Recording {
    Recording {
        on,
        configured,
        directory: standing.directory.display().to_string(),
        bytes: standing.bytes,
        segments: standing.segments,
        trouble: standing.trouble,
    }
}
