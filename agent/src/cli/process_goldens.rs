//! What users read about processes, from fixed views.

use super::{
    goldens::{both, golden},
    processes,
};
use crate::api::view::*;

#[test]
fn processes_are_listed_with_their_waiting() {
    let process = |pid, waited_ns, workload: Option<&str>| Process {
        pid,
        name: "worker".into(),
        workload: workload.map(Into::into),
        cgroup: "/shop/web".into(),
        threads: 4,
        started_ns: 1,
        ran_ns: 600_000_000,
        waited_ns,
        waits: 200,
        blocked_ns: 3_100_000_000,
        voluntary_switches: 180,
        involuntary_switches: 20,
        minor_faults: 7,
        major_faults: 1,
        io_delay_ns: Some(5_000_000),
        fault_delay_ns: Some(0),
    };
    let now = Processes {
        monotonic_ns: 9_000_000_000,
        processes: vec![
            process(7, 90_000_000, Some("web")),
            process(8, 30_000_000, None),
        ],
        left_out: 3,
        degraded: String::new(),
    };
    both("processes", &now, processes::render);
    // The one has waited for 10 ms since, the other one has just begun.
    let mut before = now.clone();
    before.processes.pop();
    before.processes[0].waited_ns -= 10_000_000;
    let since = now.since(&before);
    assert_eq!(
        since
            .processes
            .iter()
            .map(|process| (process.pid, process.waited_ns, process.ran_ns))
            .collect::<Vec<_>>(),
        [(8, 30_000_000, 600_000_000), (7, 10_000_000, 0)]
    );
    let none = Processes {
        degraded: "the kernel's list of threads cannot be had: switched off".into(),
        ..Processes::default()
    };
    golden("processes_none", &processes::render(&none));
}
