//! The thread that writes segments, keeps them within their limit, and says when it cannot.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};
use trimtab_core::{
    record::{Header, begin},
    signal::Nanos,
};

use super::{
    directory::{RecordError, SegmentFile, create, make, mend, segments},
    state::State,
};

/// After a failure nothing is tried for so long: a full disk stays full for a while.
const RETRY: Duration = Duration::from_secs(30);

/// What the tape sends.
#[derive(Debug)]
pub(super) enum Message {
    /// Begin a segment with this state.
    Begin {
        /// It goes on where the last one ended.
        continues: bool,
        /// The frame with the state.
        key: Vec<u8>,
    },
    /// Append a frame.
    Frame(Vec<u8>),
}

/// Where segments go, and how much of them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    /// In bytes, all segments together.
    pub(super) limit: u64,
}

/// The thread's state.
pub(super) struct Writer {
    place: Place,
    state: Arc<State>,
    spares: SyncSender<Vec<u8>>,
    /// Oldest first, the present one last; `None` until the directory has been looked at.
    segments: Option<VecDeque<SegmentFile>>,
    /// The last of them, while it can be continued.
    file: Option<File>,
    /// When something may be tried again.
    retry: Option<Instant>,
    pub(super) patience: Duration,
}

impl Writer {
    pub(super) const fn new(place: Place, state: Arc<State>, spares: SyncSender<Vec<u8>>) -> Self {
        Self {
            place,
            state,
            spares,
            segments: None,
            file: None,
            retry: None,
            patience: RETRY,
        }
    }

    /// Writes what comes until nobody sends any more.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(message) = inbox.recv() {
            self.take(message);
        }
        if let Some(file) = &self.file
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, "the end of the recording may not be on disk");
        }
    }

    pub(super) fn take(&mut self, message: Message) {
        let buffer = match message {
            Message::Begin { continues, key } => {
                let begun = self.begin(continues, &key);
                self.judge(begun);
                key
            }
            Message::Frame(frame) => {
                if self.file.is_some() {
                    let appended = self.append(&frame);
                    self.judge(appended);
                } else if self.retry.is_none_or(|retry| Instant::now() >= retry) {
                    // What comes until there is a new state cannot be read without one.
                    self.state.wanted.store(true, Relaxed);
                    self.retry = Some(Instant::now() + self.patience);
                }
                frame
            }
        };
        // Full is fine: there are enough then.
        let _ = self.spares.try_send(buffer);
    }

    /// A failure ends the segment where it was whole.
    fn judge(&mut self, result: Result<(), RecordError>) {
        let Err(error) = result else {
            self.state.trouble(None);
            return;
        };
        if let (Some(file), Some(segment)) = (
            self.file.take(),
            self.segments.as_ref().and_then(VecDeque::back),
        ) {
            self.state.gaps.fetch_add(1, Relaxed);
            // If not even this can be done, a reader finds the torn end by itself.
            let _ = if segment.bytes == 0 {
                fs::remove_file(&segment.path)
            } else {
                file.set_len(segment.bytes)
            };
        }
        if let Some(segments) = &mut self.segments {
            segments.retain(|segment| segment.bytes > 0);
        }
        self.retry = Some(Instant::now() + self.patience);
        self.state.trouble(Some(error.to_string()));
    }

    fn begin(&mut self, continues: bool, key: &[u8]) -> Result<(), RecordError> {
        let continues = continues && self.file.is_some();
        if let Some(file) = self.file.take() {
            let last = self.segments.as_ref().and_then(VecDeque::back);
            let path = last.map_or(&self.place.directory, |last| &last.path);
            file.sync_data().map_err(RecordError::os("sync", path))?;
        }
        let directory = self.place.directory.clone();
        let segments = self.segments()?;
        let number = segments.back().map_or(1, |last| last.number + 1);
        let mut bytes = Vec::new();
        begin(&header(number, continues), &mut bytes).map_err(|error| RecordError::Os {
            call: "encode",
            path: directory.clone(),
            source: std::io::Error::other(error),
        })?;
        bytes.extend_from_slice(key);
        let (file, path) = create(&directory, number)?;
        segments.push_back(SegmentFile {
            number,
            path,
            bytes: 0,
        });
        self.file = Some(file);
        self.append(&bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        self.make_room(bytes.len() as u64)?;
        let (Some(file), Some(segment)) = (
            &mut self.file,
            self.segments.as_mut().and_then(VecDeque::back_mut),
        ) else {
            return Ok(());
        };
        file.write_all(bytes)
            .map_err(RecordError::os("write", &segment.path))?;
        segment.bytes += bytes.len() as u64;
        self.count();
        Ok(())
    }

    /// Deletes the oldest segments until so much more is within the limit.
    fn make_room(&mut self, more: u64) -> Result<(), RecordError> {
        let Place { directory, limit } = &self.place;
        let Some(segments) = &mut self.segments else {
            return Ok(());
        };
        let mut total: u64 = segments.iter().map(|segment| segment.bytes).sum();
        while total + more > *limit {
            if segments.len() < 2 {
                return Err(RecordError::Limit {
                    path: directory.clone(),
                    state: total + more,
                });
            }
            if let Some(oldest) = segments.pop_front() {
                total -= oldest.bytes;
                match fs::remove_file(&oldest.path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(RecordError::os("delete", &oldest.path)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// What is there already; the first time, an end that a crash has torn is cut off.
    fn segments(&mut self) -> Result<&mut VecDeque<SegmentFile>, RecordError> {
        if self.segments.is_none() {
            make(&self.place.directory)?;
            let mut found: VecDeque<_> = segments(&self.place.directory)?.into();
            if let Some(last) = found.back_mut() {
                let torn = mend(last)?;
                if torn > 0 {
                    self.state.torn.fetch_add(torn, Relaxed);
                    tracing::warn!(
                        path = %last.path.display(),
                        "an earlier agent was stopped while it wrote: {torn} bytes without their end are cut off"
                    );
                }
            }
            self.segments = Some(found);
        }
        Ok(self.segments.get_or_insert_default())
    }

    fn count(&self) {
        let segments = self.segments.iter().flatten();
        let bytes = segments.clone().map(|segment| segment.bytes).sum();
        self.state.bytes.store(bytes, Relaxed);
        self.state.segments.store(segments.count() as u64, Relaxed);
    }
}

fn header(number: u64, continues: bool) -> Header {
    let monotonic = clock_gettime(ClockId::Monotonic);
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Header {
        boot: boot_id(),
        unix_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        monotonic: Nanos(
            monotonic.tv_sec.cast_unsigned() * 1_000_000_000 + monotonic.tv_nsec.cast_unsigned(),
        ),
        number,
        continues,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The kernel's id of this boot; zeros where it says none.
fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16)
        .unwrap_or_default()
        .to_be_bytes()
}
