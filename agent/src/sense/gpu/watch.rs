//! The thread that asks the driver, and what it last heard.

use std::{
    ffi::OsString,
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nvml_wrapper::{Nvml, error::NvmlError};

use super::{
    device,
    reading::{Device, DeviceState, Driver, Reading},
    xid,
};
use crate::sense::hierarchy::Hierarchies;

/// How long an answer may take until the driver counts as one that does not answer.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Where the kernel module lists what is plugged in, a directory per device.
const PLUGGED: &str = "/proc/driver/nvidia/gpus";

/// How often something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Time between two rounds of questions.
    pub every: Duration,
    /// Time after which a driver that was absent, or that has lost a device, is opened afresh.
    pub reopen: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            reopen: Duration::from_secs(30),
        }
    }
}

/// What was last heard of the driver.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The last round that came to its end.
    pub reading: Arc<Reading>,
    /// How long ago that was; `None` before the first.
    pub age: Option<Duration>,
    /// For how long a question has been without an answer, where that is longer than [`PATIENCE`].
    pub silent: Option<Duration>,
}

/// A running watch; dropping it ends its thread as soon as that is not waiting for the driver.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
}

impl Watch {
    /// Starts the thread that asks the driver behind this library: a name that the loader looks
    /// for, or a path.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn spawn(library: &Path, hierarchies: Hierarchies, pace: Pace) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let asker = Asker {
            library: library.as_os_str().to_owned(),
            hierarchies,
            pace,
            shared: Arc::clone(&shared),
        };
        thread::Builder::new()
            .name("trimtab-gpu".into())
            .spawn(move || asker.run())?;
        Ok(Self { shared })
    }

    /// What was last heard. Never waits for the driver.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.shared.lock().heard()
    }

    /// What the first round has brought, if it ends within a time.
    #[must_use]
    pub fn first(&self, within: Duration) -> Heard {
        let none_yet = |state: &mut State| state.told.is_none();
        let state = self.shared.lock();
        let waited = self.shared.news.wait_timeout_while(state, within, none_yet);
        waited.unwrap_or_else(PoisonError::into_inner).0.heard()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.news.notify_all();
    }
}

/// What the thread and those who look share. The lock is never held while the driver is asked.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// A round has ended, or the watch has.
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reading: Arc<Reading>,
    /// When the last round ended.
    told: Option<Instant>,
    /// When the question was asked that has no answer yet.
    asked: Option<Instant>,
    ended: bool,
}

impl State {
    fn heard(&self) -> Heard {
        let waits = self.asked.map(|asked| asked.elapsed());
        Heard {
            reading: Arc::clone(&self.reading),
            age: self.told.map(|told| told.elapsed()),
            silent: waits.filter(|waits| *waits >= PATIENCE),
        }
    }
}

impl Shared {
    /// The state: every change to it is whole, so that nobody can have left it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the driver is waited for.
    fn ask(&self) {
        self.lock().asked.get_or_insert_with(Instant::now);
    }

    fn tell(&self, reading: Reading) {
        let reading = Arc::new(reading);
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.reading, reading);
        state.told = Some(Instant::now());
        state.asked = None;
        // Nobody who looks waits for that to be freed.
        drop(state);
        drop(before);
        self.news.notify_all();
    }

    /// Lets some time pass; whether the watch goes on.
    fn rest(&self, time: Duration) -> bool {
        let goes_on = |state: &mut State| !state.ended;
        let waited = self.news.wait_timeout_while(self.lock(), time, goes_on);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

/// The thread's own.
struct Asker {
    library: OsString,
    hierarchies: Hierarchies,
    pace: Pace,
    shared: Arc<Shared>,
}

impl Asker {
    fn run(&self) {
        let mut xids = xid::Last::new();
        loop {
            self.shared.ask();
            let goes_on = match Nvml::builder().lib_path(&self.library).init() {
                Ok(nvml) => self.session(&nvml, &mut xids),
                Err(error) => {
                    self.shared.tell(Reading {
                        driver: driver(&error),
                        ..Reading::default()
                    });
                    self.shared.rest(self.pace.reopen)
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Asks until the driver has to be opened afresh, since it knows only the devices that there
    /// were when it was opened; whether the watch goes on.
    fn session(&self, nvml: &Nvml, xids: &mut xid::Last) -> bool {
        let opened = Instant::now();
        let there = plugged(Path::new(PLUGGED));
        let set = xid::listen(nvml);
        let mut count = None;
        loop {
            if let Some(set) = &set {
                xid::hear(set, xids);
            }
            let before = self.shared.lock().reading.clone();
            let read = device::read(nvml, &self.hierarchies, &before, xids);
            let reading = read.unwrap_or_else(|error| Reading {
                driver: driver(&error),
                ..Reading::default()
            });
            let devices = reading.devices.len();
            let lost = |device: &Device| device.state == DeviceState::Lost;
            let afresh = reading.driver != Driver::Here
                || *count.get_or_insert(devices) != devices
                || there != plugged(Path::new(PLUGGED))
                || opened.elapsed() >= self.pace.reopen && reading.devices.iter().any(lost);
            self.shared.tell(reading);
            let goes_on = self.shared.rest(self.pace.every);
            // To close it is a question too.
            self.shared.ask();
            if afresh || !goes_on {
                return goes_on;
            }
        }
    }
}

/// How many devices are plugged in; `None` where the module does not tell.
fn plugged(directory: &Path) -> Option<usize> {
    Some(std::fs::read_dir(directory).ok()?.count())
}

/// What it says about the driver that it could not be opened.
fn driver(error: &NvmlError) -> Driver {
    match error {
        NvmlError::LibloadingError(why) => Driver::None(format!("no driver: {why}")),
        NvmlError::DriverNotLoaded
        | NvmlError::LibraryNotFound
        | NvmlError::Uninitialized
        | NvmlError::NotFound => Driver::None("no driver: its kernel module is not loaded".into()),
        other => Driver::Refuses(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(library: &Path) -> Watch {
        let pace = Pace {
            every: Duration::from_millis(10),
            reopen: Duration::from_millis(10),
        };
        Watch::spawn(library, Hierarchies::default(), pace).unwrap()
    }

    #[test]
    fn without_a_library_there_is_no_driver() {
        let heard = watch(Path::new("/nowhere/libnvidia-ml.so.1")).first(PATIENCE);
        let Driver::None(why) = &heard.reading.driver else {
            panic!("{heard:?}");
        };
        assert!(why.contains("/nowhere/libnvidia-ml.so.1"), "{why}");
        assert_eq!(heard.silent, None);
        assert!(heard.age.is_some());
    }

    #[test]
    fn what_is_no_library_is_no_driver() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lib.so");
        std::fs::write(&path, "text").unwrap();
        let heard = watch(&path).first(PATIENCE);
        assert!(matches!(heard.reading.driver, Driver::None(_)), "{heard:?}");
    }

    #[test]
    fn only_a_question_makes_silence() {
        let shared = Shared::default();
        assert!(shared.lock().heard().silent.is_none());
        shared.lock().asked = Instant::now().checked_sub(2 * PATIENCE);
        shared.ask();
        let silent = shared.lock().heard().silent.unwrap();
        assert!(silent >= 2 * PATIENCE, "asking again begins nothing afresh");
        shared.tell(Reading::default());
        let heard = shared.lock().heard();
        assert!(heard.silent.is_none() && heard.age.is_some());
    }

    #[test]
    fn what_failed_says_whether_there_is_a_driver() {
        for error in [NvmlError::DriverNotLoaded, NvmlError::LibraryNotFound] {
            assert!(matches!(driver(&error), Driver::None(_)));
        }
        for error in [NvmlError::LibRmVersionMismatch, NvmlError::NoPermission] {
            assert!(matches!(driver(&error), Driver::Refuses(_)));
        }
    }

    #[test]
    fn devices_are_counted_where_there_is_a_list() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(plugged(directory.path()), Some(0));
        std::fs::create_dir(directory.path().join("0000:01:00.0")).unwrap();
        assert_eq!(plugged(directory.path()), Some(1));
        assert_eq!(plugged(&directory.path().join("none")), None);
    }
}
