//! What the slow loop and the fast thread say to each other: two bounded single-producer rings,
//! so that neither ever waits for the other.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rtrb::{Consumer, Producer, RingBuffer};
use rustix::{
    event::{EventfdFlags, eventfd},
    fd::OwnedFd,
    io::{read, write},
};
use trimtab_core::{
    decide::{Audit, CalledIn, EnvelopeUpdate, Settle, Settled, Synced},
    signal::{Amount, Denial, Event, Nanos, Resource, Slot, Spend},
};
use trimtab_ebpf::Level;

use super::table::Entry;
use crate::act::lever::Lever;

/// From the slow loop to the fast thread.
#[derive(Debug)]
pub enum Command {
    /// Take over a workload; the entry was made, with all its allocations, on the slow side.
    Adopt(Slot, Box<Entry>),
    /// Give a workload up.
    Release(Slot),
    /// New bounds of one envelope.
    Refit(EnvelopeUpdate),
    /// The lever of a limit whose owner may have set another period. Comes before the bounds.
    Lever(Slot, Resource, Box<Lever>),
    /// A decision of the slow loop.
    Settle(Settle),
    /// A shortage that the slow loop found in the counters: the same law as for an event.
    Twin(Event),
    /// A limit read from the kernel that the slow loop does not know.
    Audit(Audit),
    /// The owner of a limit was told one, and may have written it.
    Echo(Slot, Resource),
    /// The pool's size, as measured in the last tick.
    Pool(Resource, Amount),
    /// The borrower of CPU who gives way first.
    Payer(Option<Slot>),
    /// Memory lent to a workload and not used yet, as measured at that time.
    Unused(Slot, Amount, Nanos),
    /// End the thread.
    Stop,
}

/// From the fast thread to the slow loop.
#[derive(Debug)]
pub enum Report {
    /// What was done about one event.
    Spend {
        /// The spend itself.
        spend: Spend,
        /// From the kernel's time stamp to the end of the write (or of the refusal), in ns.
        latency: u64,
        /// The level that limits when it is not ours.
        above: Option<Level>,
    },
    /// What became of a decision.
    Settled(Settled),
    /// What was lent has been taken back: memory that is not used, since the node had run short, or
    /// CPU, for one who uses no more than its own.
    Recalled(Settled),
    /// CPU that was lent has been taken back, since it kept others waiting.
    CalledIn(CalledIn),
    /// An audit found nothing wrong.
    Synced(Synced),
    /// A record that is not the fast thread's business: cgroups, OOM kills.
    Record(trimtab_ebpf::Event),
    /// A lever on its way back, so that nothing is closed on the fast thread.
    Lever(Box<Lever>),
    /// An entry on its way back, so that nothing is freed on the fast thread.
    Released(Slot, Box<Entry>),
}

impl Report {
    /// Whether it is early enough at the next tick: nothing follows from it but what people read.
    fn can_wait(&self) -> bool {
        match self {
            Self::Spend { spend, .. } => {
                matches!(spend.denial, Some(denial) if denial != Denial::Foreign)
            }
            Self::Synced(_) => true,
            _ => false,
        }
    }
}

/// Room for commands. More than that in one go has to wait for the fast thread.
const COMMANDS: usize = 1024;
/// Room for reports between two wake-ups of the slow loop, beside one for each workload: all may go at
/// once.
const REPORTS: usize = 1024;
/// How long the slow loop waits for room; the fast thread needs microseconds.
const PATIENCE: Duration = Duration::from_millis(200);

/// The slow loop's end.
#[derive(Debug)]
pub struct SlowEnd {
    commands: Producer<Command>,
    /// What the fast thread did.
    pub reports: Consumer<Report>,
    wake: Arc<OwnedFd>,
    queued: bool,
}

/// The fast thread's end.
#[derive(Debug)]
pub struct FastEnd {
    /// What the slow loop asks for.
    pub commands: Consumer<Command>,
    reports: Producer<Report>,
    /// Half of the room for reports: with less left, none can wait.
    half: usize,
    ready: UnixStream,
    /// Readable when there are commands.
    pub wake: Arc<OwnedFd>,
    /// Reports dropped because the slow loop had fallen behind.
    pub dropped: u64,
    queued: bool,
}

/// Makes both ends for so many workloads, and what becomes readable when there are reports.
///
/// # Errors
/// The kernel refused a descriptor (the limit of open files).
pub fn channel(workloads: usize) -> io::Result<(SlowEnd, FastEnd, UnixStream)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (ready, waiting) = UnixStream::pair()?;
    ready.set_nonblocking(true)?;
    waiting.set_nonblocking(true)?;
    let (command_tx, commands) = RingBuffer::new(COMMANDS);
    let (report_tx, reports) = RingBuffer::new(REPORTS + workloads);
    Ok((
        SlowEnd {
            commands: command_tx,
            reports,
            wake: Arc::clone(&wake),
            queued: false,
        },
        FastEnd {
            commands,
            reports: report_tx,
            half: usize::midpoint(REPORTS, workloads),
            ready,
            wake,
            dropped: 0,
            queued: false,
        },
        waiting,
    ))
}

impl SlowEnd {
    /// Queues a command, and waits for room when there is none; `Err` gives it back.
    ///
    /// # Errors
    /// The fast thread has not kept up for [`PATIENCE`].
    pub fn send(&mut self, command: Command) -> Result<(), Command> {
        let mut command = command;
        let begun = Instant::now();
        loop {
            match self.commands.push(command) {
                Ok(()) => {
                    self.queued = true;
                    return Ok(());
                }
                Err(rtrb::PushError::Full(back)) if begun.elapsed() < PATIENCE => {
                    self.queued = true;
                    self.flush();
                    std::thread::sleep(Duration::from_micros(50));
                    command = back;
                }
                Err(rtrb::PushError::Full(back)) => return Err(back),
            }
        }
    }

    /// Wakes the fast thread once for all that was queued, if anything was.
    pub fn flush(&mut self) {
        if !std::mem::take(&mut self.queued) {
            return;
        }
        // It can only fail when 2^64 - 2 signals are pending: awake anyway.
        let _ = write(&self.wake, &1u64.to_ne_bytes());
    }
}

impl FastEnd {
    /// Queues a report and counts it as dropped when there is no room: the kernel's counters
    /// still hold the truth, and the slow twin reads them.
    pub fn report(&mut self, report: Report) {
        self.queued |= !report.can_wait() || self.reports.slots() < self.half;
        if let Err(rtrb::PushError::Full(report)) = self.reports.push(report) {
            self.dropped += 1;
            // An entry must not be freed here; losing its memory beats stalling a burst.
            match report {
                Report::Released(_, entry) => drop(Box::leak(entry)),
                Report::Lever(lever) => drop(Box::leak(lever)),
                _ => {}
            }
        }
    }

    /// Wakes the slow loop once for all that was queued, if any of it cannot wait.
    pub fn flush(&mut self) {
        if !std::mem::take(&mut self.queued) {
            return;
        }
        // A full buffer means that it has been woken often enough already.
        let _ = (&self.ready).write(&[1]);
    }
}

/// Empties an eventfd.
pub(super) fn drain(fd: &OwnedFd) {
    let _ = read(fd, &mut [0u8; 8]);
}
