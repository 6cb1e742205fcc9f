//! The kernel's own trace of its events, as a second opinion on what the probes count.

use std::{
    fs,
    path::PathBuf,
    process::{self, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{Process, eventually};

/// Where the list of tracepoints is mounted, if it is.
const MOUNT: &str = "/sys/kernel/tracing";
/// How long mounting may take.
const MOUNTED: Duration = Duration::from_secs(5);
/// Room for events per CPU; what does not fit is overwritten.
const BUFFER_KB: &str = "16384";

/// Events that are being traced, in a buffer of our own that goes with this.
#[derive(Debug)]
pub struct Tracing {
    instance: PathBuf,
    /// In whose mount namespace the list lies.
    _mounter: Process,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The task that was running.
    pub pid: u32,
    /// `CLOCK_MONOTONIC` in ns, rounded down to a microsecond.
    pub time: u64,
    /// The event's name.
    pub event: String,
    /// What it says.
    pub text: String,
}

impl Tracing {
    /// Begins to trace events, each given as `GROUP/NAME`.
    ///
    /// # Errors
    /// When this kernel cannot trace, or may not be asked to.
    pub fn start(events: &[&str]) -> Result<Self> {
        // It is mounted in a mount namespace of its own where it is not: the host's mounts stay as they are.
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c"]).arg(format!(
            "[ -d {MOUNT}/events ] || mount -t tracefs none {MOUNT}; exec sleep 600"
        ));
        let mounter = Process::spawn(command.stderr(Stdio::null()))?;
        let root = PathBuf::from(format!("/proc/{}/root{MOUNT}", mounter.id()));
        ensure!(
            eventually(MOUNTED, || root.join("instances").is_dir()),
            "no {}/instances",
            root.display()
        );
        let instance = root
            .join("instances")
            .join(format!("trimtab-test-{}", process::id()));
        fs::create_dir(&instance).with_context(|| instance.display().to_string())?;
        let tracing = Self {
            instance,
            _mounter: mounter,
        };
        tracing.set("trace_clock", "mono")?;
        tracing.set("buffer_size_kb", BUFFER_KB)?;
        for event in events {
            tracing.set(&format!("events/{event}/enable"), "1")?;
        }
        Ok(tracing)
    }

    /// Everything traced so far, in the order of time.
    ///
    /// # Errors
    /// When the trace cannot be read or parsed.
    pub fn events(&self) -> Result<Vec<Traced>> {
        let file = self.instance.join("trace");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| parse(line).with_context(|| format!("not an event: {line}")))
            .collect()
    }

    fn set(&self, name: &str, value: &str) -> Result<()> {
        let file = self.instance.join(name);
        fs::write(&file, value).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        // Its files go with it.
        if let Err(error) = fs::remove_dir(&self.instance) {
            eprintln!("cannot remove {}: {error}", self.instance.display());
        }
    }
}

/// `COMM-PID [CPU] FLAGS TIME: NAME: TEXT`, where the name of the task may hold anything.
fn parse(line: &str) -> Option<Traced> {
    let (task, rest) = line.split_once(" [")?;
    let pid = task.trim_end().rsplit_once('-')?.1.parse().ok()?;
    let (head, rest) = rest.split_once(": ")?;
    let (seconds, micros) = head.rsplit_once(' ')?.1.split_once('.')?;
    let time = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let (event, text) = rest.split_once(": ").or(rest.split_once(':'))?;
    Some(Traced {
        pid,
        time: time * 1_000,
        event: event.to_owned(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_trace() {
        let line = "     kworker/u4:1-b-77   [001] d..1.  1234.567890: block_rq_complete: 254,0 R () 8 + 8 none,0,0 [0]";
        assert_eq!(
            parse(line),
            Some(Traced {
                pid: 77,
                time: 1_234_567_890_000,
                event: "block_rq_complete".into(),
                text: "254,0 R () 8 + 8 none,0,0 [0]".into(),
            })
        );
        assert_eq!(parse("CPU:1 [LOST 12 EVENTS]"), None);
    }
}
