//! What the API shows of the recording.

use super::agent::Agent;
use crate::{
    api::view::{Finding, FindingState},
    record::Standing,
};

impl Agent {
    /// How the recording stands; `None` where nothing is recorded, as the configuration says.
    pub(super) fn recording(&self) -> Option<Finding> {
        match self.engine.standing() {
            Some(standing) => Some(finding(&standing)),
            None => self.selection.config().record.enabled.then(stopped),
        }
    }
}

/// Somebody has stopped it, or it could not begin.
fn stopped() -> Finding {
    Finding {
        area: "record".into(),
        name: "recording".into(),
        state: FindingState::Off,
        why: "nothing is recorded, although the configuration has it on".into(),
        remedy:
            "`trimtab record start` begins anew; `trimtab watch` and the log tell who stopped it"
                .into(),
    }
}

fn finding(standing: &Standing) -> Finding {
    let Standing {
        directory,
        bytes,
        segments,
        gaps,
        torn,
        trouble,
    } = standing;
    let directory = directory.display();
    let mut parts = vec![format!("{directory}: segments {segments}, bytes {bytes}")];
    if *gaps > 0 {
        parts.push(format!("interrupted {gaps} times"));
    }
    if *torn > 0 {
        let whose = "without their end, of an agent that was killed, cut off";
        parts.push(format!("{torn} bytes {whose}"));
    }
    if let Some(trouble) = trouble {
        parts.insert(0, format!("nothing is recorded: {trouble}"));
    }
    let (state, remedy) = match trouble {
        Some(_) => (
            FindingState::Off,
            "make room on the disk or let the agent write there: it tries again every 30 s",
        ),
        None if *gaps > 0 => (
            FindingState::Degraded,
            "record to a faster disk: each gap begins a segment that replays alone",
        ),
        None => (FindingState::On, ""),
    };
    Finding {
        area: "record".into(),
        name: "recording".into(),
        state,
        why: parts.join("; "),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_goes_before_gaps() {
        let good = Standing {
            directory: "/var/lib/x".into(),
            bytes: 10,
            segments: 1,
            ..Standing::default()
        };
        let found = finding(&good);
        assert_eq!(found.state, FindingState::On);
        assert_eq!(found.why, "/var/lib/x: segments 1, bytes 10");
        let gaps = Standing {
            gaps: 2,
            torn: 7,
            ..good
        };
        let found = finding(&gaps);
        assert_eq!(found.state, FindingState::Degraded);
        assert!(found.why.contains("interrupted 2 times") && found.why.contains("7 bytes"));
        let full = Standing {
            trouble: Some("write /x/1: No space left on device".into()),
            ..gaps
        };
        let found = finding(&full);
        assert_eq!(found.state, FindingState::Off);
        assert!(
            found
                .why
                .starts_with("nothing is recorded: write /x/1: No space")
        );
    }
}
