//! The engine as the slow loop knows it: every call is passed on, and noted on the tape.

use trimtab_core::{
    decide::{
        Audit, Bounds, Engine, Entitlement, EnvelopeUpdate, Notice, Policy, Record, Settings,
        Shadow, Shadows, Thresholds, Tick, WorkloadSpec,
    },
    record::{Call, Origin, Origins},
    signal::{Amount, Mode, Nanos, Resource, Slot},
    snapshot::Snapshot,
};

use super::{state::Standing, tape::Tape};

/// An engine whose calls are recorded. Its functions are those of [`Engine`]. Shadows follow it, and are not
/// recorded: they change nothing.
#[derive(Debug)]
pub struct Recorder {
    engine: Engine,
    shadows: Shadows,
    origins: Origins,
    tape: Option<Tape>,
}

impl Recorder {
    /// An engine without workloads; `None` for one that is not recorded.
    #[must_use]
    pub fn new(settings: Settings, tape: Option<Tape>) -> Self {
        let mut recorder = Self {
            engine: Engine::new(settings),
            shadows: Shadows::default(),
            origins: Origins::default(),
            tape: None,
        };
        if let Some(tape) = tape {
            recorder.start(tape);
        }
        recorder
    }

    /// Records on a tape from now on, beginning with the state as it is.
    pub fn start(&mut self, mut tape: Tape) {
        tape.begin(&self.engine, &self.origins);
        self.tape = Some(tape);
    }

    /// Records no longer. The tape is to be ended where waiting for a disk harms nobody.
    #[must_use]
    pub const fn stop(&mut self) -> Option<Tape> {
        self.tape.take()
    }

    /// The engine, for questions: they change nothing, and are not recorded.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What other policies would have done.
    #[must_use]
    pub const fn shadows(&self) -> &Shadows {
        &self.shadows
    }

    /// See [`Shadows::set`].
    pub fn shadow(&mut self, slot: Slot, epoch: u32, shadow: Option<Shadow>) {
        self.shadows.set(slot, epoch, shadow);
    }

    /// How the recording stands; `None` where nothing is recorded.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.tape.as_ref().map(Tape::standing)
    }

    /// See [`Engine::tick`].
    #[must_use]
    pub fn tick(&mut self, now: Nanos, snapshot: &Snapshot) -> Tick {
        let tick = self.engine.tick(now, snapshot);
        if let Some(tape) = &mut self.tape {
            tape.tick(now, snapshot, &tick, &self.engine, &self.origins);
        }
        self.shadows.tick(now, &self.engine, snapshot);
        tick
    }

    /// See [`Engine::record`].
    pub fn record(&mut self, record: &Record) {
        self.engine.record(record);
        self.shadows.hear(record);
        self.note(|| Call::Record(*record));
    }

    /// See [`Engine::adopt`].
    pub fn adopt(
        &mut self,
        slot: Slot,
        epoch: u32,
        spec: WorkloadSpec,
        origin: Origin,
    ) -> [Option<EnvelopeUpdate>; 2] {
        self.note(|| Call::Adopt {
            slot,
            epoch,
            spec: Box::new(spec.clone()),
            origin: origin.clone(),
        });
        self.origins.insert(slot, origin);
        let updates = self.engine.adopt(slot, epoch, spec);
        if let Some(tape) = &mut self.tape {
            tape.answer(&updates);
        }
        updates
    }

    /// See [`Engine::remove`].
    pub fn remove(&mut self, slot: Slot) {
        self.engine.remove(slot);
        self.shadows.remove(slot);
        self.origins.remove(slot);
        self.note(|| Call::Remove(slot));
    }

    /// See [`Engine::reparent`].
    pub fn reparent(&mut self, slot: Slot, parent: Option<Slot>) {
        self.engine.reparent(slot, parent);
        self.note(|| Call::Reparent(slot, parent));
    }

    /// See [`Engine::updates`]. Where there are none nothing has changed, and nothing is recorded.
    pub fn updates(&mut self) -> Vec<EnvelopeUpdate> {
        let updates = self.engine.updates();
        if let Some(tape) = self.tape.as_mut().filter(|_| !updates.is_empty()) {
            tape.call(&Call::Updates);
            tape.answer(&updates);
        }
        updates
    }

    /// See [`Engine::notices`]; recorded like [`Recorder::updates`].
    pub fn notices(&mut self) -> Vec<Notice> {
        let notices = self.engine.notices();
        if let Some(tape) = self.tape.as_mut().filter(|_| !notices.is_empty()) {
            tape.call(&Call::Notices);
            tape.answer(&notices);
        }
        notices
    }

    /// See [`Engine::thresholds`]; recorded like [`Recorder::updates`].
    pub fn thresholds(&mut self, slot: Slot, resource: Resource) -> Option<Thresholds> {
        let thresholds = self.engine.thresholds(slot, resource);
        if let Some(tape) = self.tape.as_mut().filter(|_| thresholds.is_some()) {
            tape.call(&Call::Thresholds(slot, resource));
            tape.answer(&thresholds);
        }
        thresholds
    }

    /// See [`Engine::heard`].
    pub fn heard(
        &mut self,
        time: Nanos,
        slot: Slot,
        resource: Resource,
        held: Amount,
    ) -> Option<Audit> {
        let audit = self.engine.heard(time, slot, resource, held);
        if let Some(tape) = &mut self.tape {
            tape.call(&Call::Heard {
                time,
                slot,
                resource,
                held,
            });
            tape.answer(&audit);
        }
        audit
    }

    /// See [`Engine::change_mode`].
    pub fn change_mode(&mut self, slot: Slot, mode: Mode) {
        self.engine.change_mode(slot, mode);
        self.note(|| Call::ChangeMode(slot, mode));
    }

    /// See [`Engine::pin`].
    pub fn pin(&mut self, slot: Slot, pinned: bool) {
        self.engine.pin(slot, pinned);
        self.note(|| Call::Pin(slot, pinned));
    }

    /// See [`Engine::pause`].
    pub fn pause(&mut self, paused: bool) {
        self.engine.pause(paused);
        self.note(|| Call::Pause(paused));
    }

    /// See [`Engine::set_settings`].
    pub fn set_settings(&mut self, settings: Settings) {
        self.engine.set_settings(settings);
        self.note(|| Call::SetSettings(settings));
    }

    /// See [`Engine::reconfigure`]; `name` is what the policy is called.
    pub fn reconfigure(
        &mut self,
        slot: Slot,
        policy: Policy,
        entitlement: Entitlement,
        bounds: [Option<Bounds>; 2],
        name: &str,
    ) {
        self.engine.reconfigure(slot, policy, entitlement, bounds);
        self.origins.rename(slot, name);
        self.note(|| Call::Reconfigure {
            slot,
            policy,
            entitlement,
            bounds,
            name: name.to_owned(),
        });
    }

    fn note(&mut self, call: impl FnOnce() -> Call) {
        if let Some(tape) = &mut self.tape {
            tape.call(&call());
        }
    }
}
