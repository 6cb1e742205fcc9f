//! What `trimtab record verify` has found, and how it is said.

use serde::Serialize;
use trimtab_core::{
    decide::Quantity,
    record::{Difference, Stand},
};

use super::super::{
    output::{BAD, FAIR, GOOD, HEAD, paint},
    units::{bytes, count, wall},
};

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    /// Every decision, and all else that was said, is the same.
    pub(super) identical: bool,
    pub(super) segments: Vec<Verified>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<Changed>,
}

/// One segment.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verified {
    pub(super) file: String,
    pub(super) bytes: usize,
    pub(super) begun_unix_ns: u64,
    /// It goes on where the segment before it ended, and its state is what that one led to; `None`
    /// where that one was not looked at.
    pub(super) continuous: Option<bool>,
    pub(super) ticks: u64,
    pub(super) workload_ticks: u64,
    /// Limits that the slow loop decided to move.
    pub(super) decisions: u64,
    /// Lifts that the fast thread told of. They are what is decided on.
    pub(super) lifts: u64,
    /// Ticks at which another decision came out.
    pub(super) other_decisions: u64,
    /// Ticks at which something else came out otherwise: bounds, thresholds, notices.
    pub(super) other_answers: u64,
    /// When that first happened.
    pub(super) first_unix_ns: Option<u64>,
    /// Bytes at the end that are no whole frame.
    pub(super) torn_bytes: usize,
    pub(super) trouble: Option<String>,
}

/// What another policy would have decided.
#[derive(Debug, Default, Serialize)]
pub(super) struct Changed {
    pub(super) file: String,
    /// Decisions that it would have made as well.
    pub(super) equal: u64,
    /// Differences that only repeat one that is listed.
    pub(super) repeated: u64,
    /// Lifts that cannot be calculated again.
    pub(super) unknown: u64,
    pub(super) differences: Vec<Told>,
}

/// A difference with its time.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) unix_ns: u64,
    pub(super) path: String,
    #[serde(flatten)]
    pub(super) difference: Difference,
}

impl Verified {
    pub(super) fn is_identical(&self) -> bool {
        self.other_decisions == 0
            && self.other_answers == 0
            && self.continuous != Some(false)
            && self.trouble.is_none()
    }
}

pub(super) fn render(verdict: &Verdict) -> String {
    let mut text: String = verdict.segments.iter().map(line).collect();
    text += &if verdict.identical {
        paint(GOOD, "every decision comes out again, byte for byte")
    } else {
        paint(BAD, "not everything comes out again")
    };
    text += "\n";
    if let Some(policy) = &verdict.policy {
        text += &changed(policy);
    }
    text
}

fn line(segment: &Verified) -> String {
    // It names the file.
    if let Some(trouble) = &segment.trouble {
        return paint(BAD, trouble) + "\n";
    }
    let mut text = format!(
        "{} from {}: {}, {}, {}, {}",
        paint(HEAD, &segment.file),
        wall(segment.begun_unix_ns),
        bytes(segment.bytes as u64),
        count(segment.ticks, "tick"),
        count(segment.decisions, "decision"),
        count(segment.lifts, "lift"),
    );
    if segment.torn_bytes > 0 {
        let torn = format!(
            "; {} bytes at the end are no whole frame",
            segment.torn_bytes
        );
        text += &paint(FAIR, torn);
    }
    if segment.continuous == Some(false) {
        text += &paint(BAD, "; its state is not what the segment before led to");
    }
    if let Some(first) = segment.first_unix_ns {
        let other = format!(
            "; other decisions at {}, other answers at {}, first at {}",
            count(segment.other_decisions, "tick"),
            count(segment.other_answers, "tick"),
            wall(first)
        );
        text += &paint(BAD, other);
    }
    text + "\n"
}

fn changed(policy: &Changed) -> String {
    let mut text = format!(
        "\nby {}: {} and lifts the same, {} different, {} repeated, {} that cannot be calculated again\n",
        policy.file,
        count(policy.equal, "decision"),
        policy.differences.len(),
        policy.repeated,
        count(policy.unknown, "lift"),
    );
    text.extend(policy.differences.iter().map(told));
    text
}

fn told(told: &Told) -> String {
    let Told {
        unix_ns,
        path,
        difference,
    } = told;
    let resource = difference.resource;
    let side = |stand: &Stand| match stand.to {
        Some(to) => format!("to {}: {}", Quantity(resource, to), stand.why),
        None => stand.why.clone(),
    };
    format!(
        "{} {} {path} {resource} at {}\n  recorded   {}\n  otherwise  {}\n",
        wall(*unix_ns),
        paint(HEAD, &difference.name),
        Quantity(resource, difference.from),
        side(&difference.recorded),
        side(&difference.changed),
    )
}

#[cfg(test)]
mod tests {
    use trimtab_core::signal::{Amount, Nanos, Resource, Slot};

    use super::*;
    use crate::cli::goldens::both;

    fn segment(number: u32) -> Verified {
        Verified {
            file: format!("/var/lib/trimtab/record/{number:010}.trimrec"),
            bytes: 3 << 20,
            begun_unix_ns: 1_700_000_000_000_000_000,
            continuous: Some(true),
            ticks: 600,
            workload_ticks: 120_000,
            decisions: 31,
            lifts: 212,
            ..Verified::default()
        }
    }

    #[test]
    fn good() {
        let verdict = Verdict {
            identical: true,
            segments: vec![
                segment(1),
                Verified {
                    torn_bytes: 17,
                    ..segment(2)
                },
            ],
            policy: None,
        };
        both("record_verify", &verdict, render);
    }

    #[test]
    fn not_good() {
        let verdict = Verdict {
            identical: false,
            segments: vec![
                Verified {
                    trouble: Some("/r/1.trimrec: byte 70: the frame is damaged".into()),
                    ..segment(1)
                },
                Verified {
                    continuous: Some(false),
                    other_decisions: 2,
                    other_answers: 1,
                    first_unix_ns: Some(1_700_000_007_000_000_000),
                    ..segment(2)
                },
            ],
            policy: None,
        };
        assert!(!verdict.segments.iter().any(Verified::is_identical));
        both("record_verify_bad", &verdict, render);
    }

    #[test]
    fn another_policy() {
        let stand = |to: Option<u64>, why: &str| Stand {
            to: to.map(Amount),
            why: why.into(),
        };
        let told = Told {
            unix_ns: 1_700_000_012_500_000_000,
            path: "/shop.slice/web.service".into(),
            difference: Difference {
                now: Nanos(12_500_000_000),
                slot: Slot(3),
                name: "web.service".into(),
                resource: Resource::Cpu,
                from: Amount(1_000_000),
                recorded: stand(Some(500_000), "need and margin are below the limit"),
                changed: stand(None, "it stays, held back: the cooldown"),
            },
        };
        let verdict = Verdict {
            identical: true,
            segments: vec![segment(1)],
            policy: Some(Changed {
                file: "other.toml".into(),
                equal: 240,
                repeated: 4,
                unknown: 1,
                differences: vec![told],
            }),
        };
        both("record_verify_policy", &verdict, render);
    }
}
