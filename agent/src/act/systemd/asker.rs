//! The thread that talks to systemd: one connection, every call with a deadline.
//!
//! That the bus is gone, or does not answer, is a state: what was to be told is told when it is back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc as answers,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{error::Elapsed, timeout},
};
use trimtab_core::signal::Slot;

use super::bus::{Bus, Unit};
use crate::{act::limit_file::LimitFile, identity::source::Failure};

/// How long one question may take on the thread.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the slow loop waits for who owns the groups that are asked about at once.
const LOOK: Duration = Duration::from_millis(500);
/// How many groups are asked about at once; more take their turns.
const TOGETHER: usize = 64;
/// A word that had to wait longer is not said any more: others may have told the originals since, and what it was made
/// of has changed. Shorter than anybody waits for the words before his own ([`Asker::flush`]).
const FRESH: Duration = Duration::from_millis(250);
/// For so long after a failure nobody is kept waiting for another one.
const REST: Duration = Duration::from_secs(5);

/// What systemd is to hold for a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The workload.
    pub slot: Slot,
    /// Tells it apart from others in the same slot.
    pub epoch: u32,
    /// Its unit.
    pub unit: String,
    /// Values of properties, by the files that they stand for; none to hear what it holds.
    pub values: Vec<(LimitFile, u64)>,
}

/// What came of telling.
#[derive(Debug)]
pub struct Told {
    /// What was to be told.
    pub tell: Tell,
    /// What systemd holds since then, and the kernel's files held: what it was told, or all if it was told
    /// nothing.
    pub result: Result<Values, Failure>,
}

/// Values of properties, by the files that they stand for.
pub type Values = BTreeMap<LimitFile, u64>;

/// The unit whose own group is at each path that was asked about.
type Units = Result<Vec<Option<Unit>>, Failure>;

enum Request {
    Look(Vec<Arc<str>>, answers::Sender<Units>),
    Tell(Tell, Instant),
    Flush(answers::Sender<()>),
}

/// The thread's other end; dropping it ends the thread.
#[derive(Debug)]
pub struct Asker {
    socket: PathBuf,
    ends: Arc<AtomicBool>,
    requests: mpsc::UnboundedSender<Request>,
    told: Mutex<answers::Receiver<Told>>,
    answered: Arc<Notify>,
    failed: Mutex<Option<(Instant, Failure)>>,
}

impl Asker {
    /// Starts the thread that talks to the bus behind this socket, which need not be there (yet).
    ///
    /// # Errors
    /// No thread can be made.
    pub fn spawn(socket: &Path) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (requests, mut inbox) = mpsc::unbounded_channel();
        let (outbox, told) = answers::channel();
        let ends = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(Notify::new());
        let mut line = Line {
            socket: socket.to_owned(),
            bus: None,
            ends: Arc::clone(&ends),
        };
        let bell = Arc::clone(&answered);
        let work = move || {
            runtime.block_on(async {
                while let Some(request) = inbox.recv().await {
                    line.serve(request, &outbox).await;
                    bell.notify_one();
                }
            });
        };
        thread::Builder::new()
            .name("trimtab-systemd".into())
            .spawn(work)?;
        Ok(Self {
            socket: socket.to_owned(),
            ends,
            requests,
            told: Mutex::new(told),
            answered,
            failed: Mutex::default(),
        })
    }

    /// The socket of the bus.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The units whose own groups are at these paths, in their order. Waits for half a second at most for
    /// 64 of them, and after a failure for nothing.
    ///
    /// # Errors
    /// systemd is not there, or does not answer.
    pub fn look(&self, paths: &[Arc<str>]) -> Units {
        let mut all = Vec::new();
        for paths in paths.chunks(TOGETHER) {
            all.extend(self.look_together(paths.to_vec())?);
        }
        Ok(all)
    }

    fn look_together(&self, paths: Vec<Arc<str>>) -> Units {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, failure)) = &*failed
            && Instant::now() < *until
        {
            return Err(failure.clone());
        }
        let (answer, units) = answers::channel();
        // A thread that has ended answers nothing either.
        let _ = self.requests.send(Request::Look(paths, answer));
        let units = units.recv_timeout(LOOK).unwrap_or(Err(Failure::Silent));
        // A socket that is not there costs no time.
        *failed = match &units {
            Err(failure) if !matches!(failure, Failure::Absent(_)) => {
                Some((Instant::now() + REST, failure.clone()))
            }
            _ => None,
        };
        units
    }

    /// Leaves word for systemd; [`Asker::told`] says what came of it.
    pub fn tell(&self, tell: Tell) {
        // A thread that has ended tells nothing.
        let _ = self.requests.send(Request::Tell(tell, Instant::now()));
    }

    /// Waits, for so long at most, until all words that were left have been said, so that none comes after what
    /// systemd is told by others.
    pub fn flush(&self, patience: Duration) {
        let (answer, done) = answers::channel();
        let _ = self.requests.send(Request::Flush(answer));
        // Who does not answer now is asked by the others, too.
        let _ = done.recv_timeout(patience);
    }

    /// Says nothing any more, and waits until what is being said has been.
    pub fn end(&self, patience: Duration) {
        self.ends.store(true, Ordering::Relaxed);
        self.flush(patience);
    }

    /// Waits until there may be something to hear from [`Asker::told`].
    pub async fn answered(&self) {
        self.answered.notified().await;
    }

    /// What came of telling since the last time.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.try_iter().collect()
    }
}

/// The thread's connection.
struct Line {
    socket: PathBuf,
    bus: Option<Bus>,
    /// Whether nothing is to be told any more.
    ends: Arc<AtomicBool>,
}

impl Line {
    async fn serve(&mut self, request: Request, outbox: &answers::Sender<Told>) {
        match request {
            Request::Look(paths, answer) => {
                let units = timeout(PATIENCE, self.look(&paths)).await;
                // Who asked may not have waited.
                let _ = answer.send(self.outcome(units));
            }
            Request::Flush(done) => _ = done.send(()),
            Request::Tell(..) if self.ends.load(Ordering::Relaxed) => {}
            Request::Tell(tell, left) if left.elapsed() > FRESH => {
                let result = Err(Failure::Silent);
                let _ = outbox.send(Told { tell, result });
            }
            Request::Tell(tell, _) => {
                let set = timeout(PATIENCE, self.tell(&tell)).await;
                let result = self.outcome(set);
                // At the agent's end nobody listens.
                let _ = outbox.send(Told { tell, result });
            }
        }
    }

    /// After a failure the next question goes by a new connection.
    fn outcome<T>(&mut self, result: Result<Result<T, Failure>, Elapsed>) -> Result<T, Failure> {
        let result = result.unwrap_or(Err(Failure::Silent));
        if result.is_err() {
            self.bus = None;
        }
        result
    }

    async fn bus(&mut self) -> Result<Bus, Failure> {
        if let Some(bus) = &self.bus {
            return Ok(bus.clone());
        }
        let bus = Bus::connect(&self.socket).await?;
        Ok(self.bus.insert(bus).clone())
    }

    async fn look(&mut self, paths: &[Arc<str>]) -> Units {
        let bus = self.bus().await?;
        let mut calls = JoinSet::new();
        for (place, path) in paths.iter().cloned().enumerate() {
            let bus = bus.clone();
            calls.spawn(async move { (place, bus.unit_at(&path).await) });
        }
        let mut units = vec![None; paths.len()];
        while let Some(call) = calls.join_next().await {
            let (place, unit) = call.map_err(|error| Failure::Wrong(error.to_string()))?;
            if let Some(cell) = units.get_mut(place) {
                *cell = unit?;
            }
        }
        Ok(units)
    }

    async fn tell(&mut self, tell: &Tell) -> Result<Values, Failure> {
        let bus = self.bus().await?;
        if tell.values.is_empty() {
            return Ok(bus.unit_of(&tell.unit).await?.values);
        }
        bus.set(&tell.unit, &tell.values).await?;
        bus.settled().await?;
        Ok(tell.values.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_is_not_there_is_a_state() {
        let asker = Asker::spawn(Path::new("/nonexistent/bus")).unwrap();
        let answer = asker.look(&["a.service".into()]);
        assert!(matches!(answer, Err(Failure::Absent(_))), "{answer:?}");
        assert_eq!(asker.look(&[]), Ok(Vec::new()));
        let tell = Tell {
            slot: Slot(3),
            epoch: 1,
            unit: "a.service".into(),
            values: vec![(LimitFile::CpuMax, 10_000)],
        };
        asker.tell(tell.clone());
        let mut told = Vec::new();
        let end = Instant::now() + Duration::from_secs(10);
        while told.is_empty() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
            told = asker.told();
        }
        assert_eq!(told[0].tell, tell);
        assert!(matches!(told[0].result, Err(Failure::Absent(_))));
        asker.end(Duration::from_secs(10));
        asker.tell(tell);
        asker.flush(Duration::from_secs(10));
        assert_eq!(asker.told().len(), 0, "at the end nothing is told");
    }

    #[test]
    fn a_bus_that_says_nothing_is_waited_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("bus");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let asker = Asker::spawn(&socket).unwrap();
        let begun = Instant::now();
        assert_eq!(asker.look(&["a.service".into()]), Err(Failure::Silent));
        assert!(begun.elapsed() >= LOOK);
        let again = Instant::now();
        assert_eq!(asker.look(&["a.service".into()]), Err(Failure::Silent));
        assert!(again.elapsed() < LOOK);
    }
}
