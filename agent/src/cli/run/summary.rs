//! What `trimtab run` says at the end.

use serde::Serialize;

use super::{group::Leftover, meter::Usage};
use crate::{
    api::view::Released,
    cli::{
        output::{BAD, FAINT, FAIR, HEAD, paint},
        table::Table,
        units::{bytes, count, cpus, duration},
    },
};

/// Everything that is said; `--json` prints it as it is.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// The command, as it was given.
    pub(super) command: Vec<String>,
    /// Its exit code, or 128 and the signal that ended it.
    pub(super) exit_code: u8,
    /// From start to end.
    pub(super) wall_ns: u64,
    /// CPU time used.
    pub(super) cpu_ns: Option<u64>,
    /// The most CPU used over 100 ms.
    pub(super) cpu_peak_micro_cpus: Option<u64>,
    /// Time throttled.
    pub(super) throttled_ns: Option<u64>,
    /// Periods throttled.
    pub(super) throttled_periods: Option<u64>,
    /// Time waited for a CPU.
    pub(super) waited_ns: Option<u64>,
    /// Where `waited_ns` comes from: `runq` (the agent's probe: waiting behind others, summed over
    /// tasks) or `cpu.pressure` (time with any task waiting, throttling included).
    pub(super) waited_source: Option<&'static str>,
    /// The most memory charged.
    pub(super) memory_peak_bytes: Option<u64>,
    /// OOM kills.
    pub(super) oom_kills: Option<u64>,
    /// The CPU limit under which it would not have been throttled.
    pub(super) needed_micro_cpus: Option<u64>,
    /// The memory limit under which nothing would have been reclaimed but page cache.
    pub(super) needed_bytes: Option<u64>,
    /// Whether the need may have been larger: it was throttled, or killed for memory.
    pub(super) need_may_be_larger: bool,
    /// Whether an agent managed it.
    pub(super) adopted: bool,
    /// Why not, where not.
    pub(super) not_adopted_because: Option<String>,
    /// Limits raised meanwhile.
    pub(super) lifts: Option<u64>,
    /// Lifts refused meanwhile.
    pub(super) denials: Option<u64>,
    /// Processes that outlived the command.
    pub(super) still_running: usize,
    /// Groups that could not be removed.
    pub(super) not_removed: Vec<String>,
}

/// The agent's part in a run.
#[derive(Debug)]
pub(super) enum Agent {
    /// It managed the group, and this came of it.
    Managed(Box<Released>),
    /// It did not, for this reason.
    Absent(String),
}

impl Summary {
    /// Puts together what is known.
    pub(super) fn new(
        command: Vec<String>,
        exit_code: u8,
        wall_ns: u64,
        usage: &Usage,
        agent: Agent,
    ) -> Self {
        let (released, reason) = match agent {
            Agent::Managed(released) => (Some(*released), None),
            Agent::Absent(reason) => (None, Some(reason)),
        };
        let probed = released.as_ref().and_then(|released| released.waited_ns);
        let source = if probed.is_some() {
            Some("runq")
        } else {
            usage.pressure_ns.map(|_| "cpu.pressure")
        };
        Self {
            command,
            exit_code,
            wall_ns,
            cpu_ns: usage.cpu_ns,
            cpu_peak_micro_cpus: usage.cpu_peak_micro_cpus,
            throttled_ns: usage.throttled_ns,
            throttled_periods: usage.throttled_periods,
            waited_ns: probed.or(usage.pressure_ns),
            waited_source: source,
            memory_peak_bytes: usage.memory_peak_bytes,
            oom_kills: usage.oom_kills,
            needed_micro_cpus: usage.cpu_peak_micro_cpus.map(rounded_cpus),
            needed_bytes: if usage.oom_kills > Some(0) {
                // Samples miss the last moment, and there was no cache left to drop.
                usage.memory_peak_bytes.map(rounded_bytes)
            } else {
                usage.memory_need_bytes.map(rounded_bytes)
            },
            need_may_be_larger: usage.throttled_ns > Some(0) || usage.oom_kills > Some(0),
            adopted: released.is_some(),
            not_adopted_because: reason,
            lifts: released.as_ref().map(|released| released.counters.lifts),
            denials: released.as_ref().map(|released| released.counters.denials),
            still_running: 0,
            not_removed: Vec::new(),
        }
    }

    /// Adds what came of removing the group.
    pub(super) fn with(mut self, leftover: Leftover) -> Self {
        self.still_running = leftover.moved;
        self.not_removed = leftover.stuck;
        self
    }

    /// The whole text.
    pub(super) fn render(&self) -> String {
        let mut table = Table::new(&["", ""]);
        let mut line =
            |label: &str, text: String| table.row([format!("  {}", paint(HEAD, label)), text]);
        line("cpu", self.cpu());
        line("waited", self.waited());
        line("memory", self.memory());
        line("needed", self.needed());
        line("agent", self.agent());
        if self.still_running > 0 {
            line(
                "left",
                format!(
                    "{} outlived the command and left the group",
                    processes(self.still_running)
                ),
            );
        }
        for stuck in &self.not_removed {
            line("left", paint(BAD, format!("cannot remove {stuck}")));
        }
        let title = format!(
            "{} ended with {} after {}",
            self.command.join(" "),
            if self.exit_code == 0 {
                "0".to_owned()
            } else {
                paint(BAD, self.exit_code.to_string())
            },
            duration(self.wall_ns)
        );
        format!(
            "{} {title}\n{}",
            paint(HEAD, "trimtab run:"),
            table.render()
        )
    }

    fn cpu(&self) -> String {
        let Some(ns) = self.cpu_ns else {
            return unknown("the cpuacct controller is not mounted");
        };
        let mean = u128::from(ns) * 1_000_000 / u128::from(self.wall_ns.max(1));
        let mean = cpus(u64::try_from(mean).unwrap_or(u64::MAX));
        let peak = self.cpu_peak_micro_cpus.map_or_else(String::new, |micro| {
            format!(", peak {} over 100 ms", cpus(micro))
        });
        format!("{} used, {mean} CPU on average{peak}", duration(ns))
    }

    fn waited(&self) -> String {
        let waited = match (self.waited_ns, self.waited_source) {
            (Some(ns), Some("runq")) => format!(
                "{} behind others for a CPU (summed over tasks)",
                duration(ns)
            ),
            (Some(ns), _) => format!(
                "{} with a task waiting for a CPU, throttled or not",
                duration(ns)
            ),
            (None, _) => unknown("no agent, and no cpu.pressure"),
        };
        let throttled = match self.throttled_ns {
            Some(0) => "never throttled".to_owned(),
            Some(ns) => {
                let periods = count(self.throttled_periods.unwrap_or(0), "period");
                paint(FAIR, format!("throttled {} in {periods}", duration(ns)))
            }
            None => format!(
                "throttling {}",
                unknown("the cpu controller is not mounted")
            ),
        };
        format!("{waited}; {throttled}")
    }

    fn memory(&self) -> String {
        let Some(peak) = self.memory_peak_bytes else {
            return unknown("the memory controller is not mounted");
        };
        let killed = self.oom_kills.unwrap_or(0);
        let kills = if killed > 0 {
            paint(BAD, format!("; {}", count(killed, "OOM kill")))
        } else {
            String::new()
        };
        format!("{} peak, page cache included{kills}", bytes(peak))
    }

    fn needed(&self) -> String {
        let mut parts = Vec::new();
        if let Some(micro) = self.needed_micro_cpus {
            parts.push(format!("--cpu-max {}", cpus(micro)));
        }
        if let Some(need) = self.needed_bytes {
            parts.push(format!("--memory-max {}", bytes(need).replace(' ', "")));
        }
        if parts.is_empty() {
            return unknown("nothing was measured");
        }
        let hint = if self.need_may_be_larger {
            paint(FAIR, " or more: a limit held it back")
        } else {
            String::new()
        };
        parts.join(" ") + &hint
    }

    fn agent(&self) -> String {
        match &self.not_adopted_because {
            None => format!(
                "{}, {}",
                count(self.lifts.unwrap_or(0), "lift"),
                count(self.denials.unwrap_or(0), "denial")
            ),
            Some(reason) => paint(FAINT, format!("not managed: {reason}")),
        }
    }
}

fn processes(number: usize) -> String {
    if number == 1 {
        "1 process".to_owned()
    } else {
        format!("{number} processes")
    }
}

fn unknown(why: &str) -> String {
    paint(FAINT, format!("unknown ({why})"))
}

/// Up to the next hundredth of a CPU, and at least one.
fn rounded_cpus(micro: u64) -> u64 {
    micro.div_ceil(10_000).max(1).saturating_mul(10_000)
}

/// Up to the next MiB, and at least one.
fn rounded_bytes(count: u64) -> u64 {
    count.div_ceil(1 << 20).max(1).saturating_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::{Counters, Signals};

    fn golden(name: &str, summary: &Summary) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../testdata");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let text = anstream::adapter::strip_str(&summary.render()).to_string();
        let json = serde_json::to_string_pretty(summary).unwrap();
        settings.bind(|| {
            insta::assert_snapshot!(name, text);
            insta::assert_snapshot!(format!("{name}_json"), json);
        });
    }

    fn a_usage() -> Usage {
        Usage {
            cpu_ns: Some(520_000_000),
            cpu_peak_micro_cpus: Some(1_012_345),
            throttled_ns: Some(90_000_000),
            throttled_periods: Some(2),
            pressure_ns: Some(95_000_000),
            memory_peak_bytes: Some(35 << 20),
            memory_need_bytes: Some((30 << 20) + 1),
            oom_kills: Some(0),
        }
    }

    #[test]
    fn summary_with_an_agent() {
        let released = Released {
            counters: Counters {
                lifts: 3,
                trims: 0,
                denials: 1,
                foreign_writes: 0,
            },
            signals: Signals::default(),
            waited_ns: Some(12_000_000),
        };
        let usage = Usage {
            throttled_ns: Some(0),
            throttled_periods: Some(0),
            ..a_usage()
        };
        let command = vec!["sh".to_owned(), "-c".to_owned(), "make".to_owned()];
        golden(
            "run_managed",
            &Summary::new(
                command,
                0,
                1_230_000_000,
                &usage,
                Agent::Managed(Box::new(released)),
            ),
        );
    }

    #[test]
    fn summary_without_an_agent() {
        let leftover = Leftover {
            moved: 2,
            stuck: vec!["/sys/fs/cgroup/trimtab.run/make-7: busy".to_owned()],
        };
        let usage = Usage {
            oom_kills: Some(1),
            ..a_usage()
        };
        let summary = Summary::new(
            vec!["make".into()],
            137,
            1_230_000_000,
            &usage,
            Agent::Absent("no agent answers".into()),
        );
        golden("run_alone", &summary.with(leftover));
    }

    #[test]
    fn summary_when_nothing_is_known() {
        let agent = Agent::Absent("no agent answers".into());
        golden(
            "run_blind",
            &Summary::new(vec!["true".into()], 0, 1_000_000, &Usage::default(), agent),
        );
    }
}
