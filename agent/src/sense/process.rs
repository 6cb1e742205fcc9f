//! Processes: what each has run, waited and faulted, its threads together.
//!
//! The kernel's list of threads is the source; where it cannot be had, the files of the processes
//! of one workload are.

use std::{collections::HashMap, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use procfs::process::{Process as ProcFiles, Task};
use trimtab_ebpf::Thread;

/// Processes that are kept at most.
pub const MOST: usize = 4096;

/// A process since it began, summed over its threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The kernel's number of it.
    pub pid: u32,
    /// Its first thread's name.
    pub name: String,
    /// The id of its group in the CPU controller's hierarchy; 0 when it is not known.
    pub group: u64,
    /// Threads.
    pub threads: u32,
    /// When it began, in ns of `CLOCK_MONOTONIC`.
    pub started_ns: u64,
    /// On a CPU, in ns, with threads that have ended.
    pub ran_ns: u64,
    /// Waiting for a CPU, in ns.
    pub waited_ns: u64,
    /// Neither, in ns: asleep, or waiting for something else.
    pub blocked_ns: u64,
    /// How often a thread got a CPU.
    pub waits: u64,
    /// How often a thread gave the CPU up.
    pub voluntary: u64,
    /// How often the CPU was taken from a thread.
    pub involuntary: u64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Waiting for block I/O, in ns; `None` where the kernel does not keep it.
    pub io_ns: Option<u64>,
    /// Waiting for pages that had been swapped out or dropped, in ns; likewise.
    pub fault_ns: Option<u64>,
}

/// Processes as they are put together from their threads.
#[derive(Debug, Default)]
pub struct Processes {
    unified: bool,
    kept: HashMap<u32, Process>,
    /// Processes beyond [`MOST`].
    pub left_out: u64,
}

impl Processes {
    /// None yet. `unified`: the CPU controller is in the v2 hierarchy.
    #[must_use]
    pub fn new(unified: bool) -> Self {
        Self {
            unified,
            ..Self::default()
        }
    }

    /// Takes in a thread as it was at `now`, in ns of `CLOCK_MONOTONIC`.
    pub fn add(&mut self, thread: &Thread, now: u64) {
        let full = self.kept.len() >= MOST;
        let is_first = thread.pid == thread.tgid;
        if full && !self.kept.contains_key(&thread.tgid) {
            self.left_out += u64::from(is_first);
            return;
        }
        let process = self.kept.entry(thread.tgid).or_default();
        if is_first {
            process.name = name(thread);
            process.started_ns = thread.started;
            process.group = if self.unified {
                thread.unified
            } else {
                thread.group
            };
        }
        process.pid = thread.tgid;
        process.threads += 1;
        process.ran_ns += thread.ran + thread.ended_ran;
        process.waited_ns += thread.waited;
        process.blocked_ns += now
            .saturating_sub(thread.started)
            .saturating_sub(thread.ran + thread.waited);
        process.waits += thread.waits;
        process.voluntary += thread.voluntary;
        process.involuntary += thread.involuntary;
        process.minor_faults += thread.minor_faults;
        process.major_faults += thread.major_faults;
        if thread.delays_kept != 0 {
            *process.io_ns.get_or_insert_default() += thread.io_ns;
            *process.fault_ns.get_or_insert_default() += thread.fault_ns;
        }
    }

    /// The processes, in no order.
    pub fn finish(self) -> impl Iterator<Item = Process> {
        self.kept.into_values()
    }
}

/// The name as text.
fn name(thread: &Thread) -> String {
    let bytes = thread.comm.map(u64::to_ne_bytes).concat();
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

/// The processes in the group at `dir` and below, from their files. Threads that have ended are
/// counted where the kernel counts them for the process: in faults.
///
/// # Errors
/// When the group cannot be read.
pub fn from_files(dir: &Path, now: u64) -> io::Result<Processes> {
    let mut processes = Processes::default();
    add_group(&mut processes, dir, now)?;
    Ok(processes)
}

fn add_group(processes: &mut Processes, dir: &Path, now: u64) -> io::Result<()> {
    let group = fs::metadata(dir)?.ino();
    let pids = fs::read_to_string(dir.join("cgroup.procs"))?;
    for pid in pids.lines().filter_map(|line| line.parse().ok()) {
        if processes.kept.len() >= MOST {
            processes.left_out += 1;
        } else if let Some(process) = from_proc(pid, now) {
            // One that ends meanwhile is none any more.
            processes.kept.insert(pid, Process { group, ..process });
        }
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            // A group may go while it is looked at.
            let _ = add_group(processes, &entry.path(), now);
        }
    }
    Ok(())
}

fn from_proc(pid: u32, now: u64) -> Option<Process> {
    let files = ProcFiles::new(pid.cast_signed()).ok()?;
    let stat = files.stat().ok()?;
    let per_tick = 1_000_000_000 / procfs::ticks_per_second().max(1);
    let mut process = Process {
        pid,
        name: stat.comm,
        started_ns: stat.starttime * per_tick,
        minor_faults: stat.minflt,
        major_faults: stat.majflt,
        ..Process::default()
    };
    for task in files.tasks().ok()?.flatten() {
        // One that ends meanwhile is none any more.
        let _ = add_task(&mut process, &task, per_tick, now);
    }
    Some(process)
}

fn add_task(process: &mut Process, task: &Task, per_tick: u64, now: u64) -> Option<()> {
    let (schedstat, status) = (task.schedstat().ok()?, task.status().ok()?);
    let started = task.stat().ok()?.starttime * per_tick;
    process.threads += 1;
    process.ran_ns += schedstat.sum_exec_runtime;
    process.waited_ns += schedstat.run_delay;
    process.blocked_ns += now
        .saturating_sub(started)
        .saturating_sub(schedstat.sum_exec_runtime + schedstat.run_delay);
    process.waits += schedstat.pcount;
    process.voluntary += status.voluntary_ctxt_switches.unwrap_or_default();
    process.involuntary += status.nonvoluntary_ctxt_switches.unwrap_or_default();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(tgid: u32, pid: u32) -> Thread {
        Thread {
            tgid,
            pid,
            started: 100,
            ran: 10,
            waited: 5,
            waits: 2,
            comm: [u64::from_ne_bytes(*b"spinner\0"), 0],
            ..Thread::default()
        }
    }

    #[test]
    fn threads_are_added_up() {
        let mut processes = Processes::default();
        // The first thread need not come first.
        processes.add(&thread(7, 8), 200);
        processes.add(
            &Thread {
                ended_ran: 1_000,
                group: 3,
                unified: 4,
                delays_kept: 1,
                io_ns: 4,
                ..thread(7, 7)
            },
            200,
        );
        let all: Vec<_> = processes.finish().collect();
        let expected = Process {
            pid: 7,
            name: "spinner".into(),
            group: 3,
            threads: 2,
            started_ns: 100,
            ran_ns: 1_020,
            waited_ns: 10,
            blocked_ns: 170,
            waits: 4,
            io_ns: Some(4),
            fault_ns: Some(0),
            ..Process::default()
        };
        assert_eq!(all, [expected]);
    }

    #[test]
    fn the_group_is_that_of_the_hierarchy() {
        let thread = Thread {
            group: 3,
            unified: 4,
            ..thread(7, 7)
        };
        for (unified, group) in [(false, 3), (true, 4)] {
            let mut processes = Processes::new(unified);
            processes.add(&thread, 0);
            assert_eq!(processes.finish().map(|one| one.group).sum::<u64>(), group);
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut processes = Processes::default();
        let many = u32::try_from(MOST).unwrap() + 10;
        for pid in 1..=many {
            processes.add(&thread(pid, pid), 0);
        }
        // Another thread of one that is left out, and of one that is kept.
        processes.add(&thread(many, many + 1), 0);
        processes.add(&thread(1, many + 2), 0);
        assert_eq!(processes.left_out, 10);
        assert_eq!(processes.finish().count(), MOST);
    }

    #[test]
    fn this_process_is_in_its_files() {
        let process = from_proc(std::process::id(), 0).unwrap();
        assert!(process.threads > 0 && process.ran_ns > 0, "{process:?}");
        assert!(!process.name.is_empty());
    }
}
