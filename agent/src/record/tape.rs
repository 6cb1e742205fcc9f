//! The slow loop's side of a recording: encodes, and hands frames over without ever waiting.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use serde::Serialize;
use trimtab_core::{
    decide::{Engine, Tick},
    record::{Call, Encoder, Origins, Unencodable},
    signal::Nanos,
    snapshot::Snapshot,
};

use super::{
    state::{Standing, State},
    writer::{Message, Place, Writer},
};

/// How many frames may wait for the disk: a minute's, at the usual tick.
const QUEUE: usize = 64;
/// A buffer with more room than this is not kept for the next frame.
const ROOM: usize = 256 << 10;
/// A segment is so much of all that may be on disk: what is deleted at a time.
const SEGMENTS: u64 = 16;
/// How long the end may wait for what is left to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// A recording in progress.
#[derive(Debug)]
pub struct Tape {
    directory: PathBuf,
    encoder: Encoder,
    /// Whether there is a segment that can be continued.
    live: bool,
    /// What the present segment has taken so far, beyond the state at its beginning.
    taken: u64,
    /// When to begin the next.
    segment: u64,
    outbox: Option<SyncSender<Message>>,
    spares: Receiver<Vec<u8>>,
    /// Hangs up when the writer has ended.
    ended: Receiver<()>,
    patience: Duration,
    state: Arc<State>,
}

impl Tape {
    /// Starts the thread that writes into a directory, which need not exist.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(directory: PathBuf, limit: u64) -> std::io::Result<Self> {
        Self::with(directory, limit, QUEUE, PATIENCE)
    }

    /// The same, with room for so many frames, and so much patience at the end.
    pub(super) fn with(
        directory: PathBuf,
        limit: u64,
        queue: usize,
        patience: Duration,
    ) -> std::io::Result<Self> {
        let (outbox, inbox) = sync_channel(queue);
        let (give_back, spares) = sync_channel(queue);
        let (end, ended) = sync_channel(0);
        let state = Arc::new(State::default());
        let place = Place {
            directory: directory.clone(),
            limit,
        };
        let writer = Writer::new(place, Arc::clone(&state), give_back);
        thread::Builder::new()
            .name("record".into())
            .spawn(move || {
                writer.run(&inbox);
                drop(end);
            })?;
        Ok(Self {
            directory,
            encoder: Encoder::new(),
            live: false,
            taken: 0,
            segment: limit / SEGMENTS,
            outbox: Some(outbox),
            spares,
            ended,
            patience,
            state,
        })
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.state.standing(self.directory.clone())
    }

    /// Ends the recording; how it stands when what was left has been written. A disk that hangs is
    /// waited for no longer than at the agent's end.
    #[must_use]
    pub fn end(self) -> Standing {
        let (state, directory) = (Arc::clone(&self.state), self.directory.clone());
        drop(self);
        state.standing(directory)
    }

    /// Begins a segment from a state.
    pub(super) fn begin(&mut self, engine: &Engine, origins: &Origins) {
        if self.outbox.is_none() {
            return;
        }
        let continues = self.live;
        self.state.wanted.store(false, Relaxed);
        let encoded = self.encoder.key(engine, origins);
        if self.encoded(encoded) {
            self.live = self.send(|key| Message::Begin { continues, key });
            self.taken = 0;
        }
    }

    /// Notes a call.
    pub(super) fn call(&mut self, call: &Call) {
        if self.live {
            let encoded = self.encoder.call(call);
            self.encoded(encoded);
        }
    }

    /// Notes what came out.
    pub(super) fn answer<T: Serialize>(&mut self, answer: &T) {
        if self.live {
            let encoded = self.encoder.answer(answer);
            self.encoded(encoded);
        }
    }

    /// Notes a tick, hands the frame over, and begins another segment when it is time.
    pub(super) fn tick(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        tick: &Tick,
        engine: &Engine,
        origins: &Origins,
    ) {
        if self.live && !self.state.wanted.load(Relaxed) {
            let encoded = self.encoder.tick(now, snapshot, tick);
            if self.encoded(encoded) {
                self.live = self.send(Message::Frame);
            }
            if self.live && self.taken >= self.segment {
                self.begin(engine, origins);
            }
        } else {
            self.live = false;
            self.begin(engine, origins);
        }
    }

    /// Hands the frame over, if there is room for it. Otherwise there is a gap, and the next tick begins
    /// anew.
    fn send(&mut self, message: impl FnOnce(Vec<u8>) -> Message) -> bool {
        let mut frame = self.spares.try_recv().unwrap_or_default();
        if frame.capacity() > ROOM {
            frame = Vec::new();
        }
        let encoded = self.encoder.finish(&mut frame);
        if !self.encoded(encoded) {
            return false;
        }
        self.taken += frame.len() as u64;
        let Some(outbox) = &self.outbox else {
            return false;
        };
        match outbox.try_send(message(frame)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                if self.live {
                    self.state.gaps.fetch_add(1, Relaxed);
                    tracing::warn!("the disk does not keep up: the recording has a gap");
                }
                false
            }
            Err(TrySendError::Disconnected(_)) => {
                self.stop("the thread that writes it has ended");
                false
            }
        }
    }

    fn encoded(&mut self, encoded: Result<(), Unencodable>) -> bool {
        match encoded {
            Ok(()) => true,
            Err(error) => {
                self.stop(&error.to_string());
                false
            }
        }
    }

    /// Nothing more is recorded.
    fn stop(&mut self, why: &str) {
        self.outbox = None;
        self.live = false;
        self.state.trouble(Some(why.to_owned()));
    }
}

impl Drop for Tape {
    /// Lets what is left be written. A disk that hangs is not waited for.
    fn drop(&mut self) {
        self.outbox = None;
        // It never sends anything: either it has hung up, or it takes too long.
        let _ = self.ended.recv_timeout(self.patience);
    }
}
