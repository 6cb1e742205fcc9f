//! What the snapshot says of a workload, held against what is believed.

use super::control::{Answer, Control};
use super::decision::{Notice, NoticeKind, Tick};
use super::engine::Engine;
use super::order::Audit;
use super::trial::Seen;
use crate::model::WorkingSet;
use crate::signal::{Amount, Cause, Event, Mode, Nanos, Resource, Slot};
use crate::snapshot::{CpuSignals, MemorySignals, Snapshot, WorkloadSignals};

impl Engine {
    /// Feeds a workload's models, finds limits that are not what they should be, and shortages of which
    /// no event told.
    pub(super) fn observe(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        signals: &WorkloadSignals,
        out: &mut Tick,
    ) {
        if let Some(cpu) = &signals.cpu {
            self.observe_cpu(now, snapshot, signals, cpu, out);
        }
        if let Some(memory) = &signals.memory {
            self.observe_memory(now, snapshot, signals, memory, out);
        }
    }

    fn observe_cpu(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        signals: &WorkloadSignals,
        cpu: &CpuSignals,
        out: &mut Tick,
    ) {
        if self.has_other_period(now, signals.slot, cpu, out) {
            return;
        }
        let Some(armed) = self.check(now, snapshot, signals.slot, Resource::Cpu, cpu.held, out)
        else {
            return;
        };
        let Some(control) = self.control(signals.slot, Resource::Cpu) else {
            return;
        };
        control.usage.push_cpu(now, cpu);
        control.watch(now, &Seen::cpu(snapshot.time, snapshot.elapsed, cpu));
        if armed && control.answer == Answer::None && cpu.throttled > 0 {
            out.twins.push(twin(
                snapshot,
                signals.slot,
                Resource::Cpu,
                cpu.held,
                Amount::ZERO,
                Amount::UNLIMITED,
            ));
        }
        self.foresee(now, signals.slot, Resource::Cpu);
        self.attain(now, snapshot.elapsed, signals);
    }

    /// Whether the period is another one than was known. We never set periods, so that this is
    /// proof of a foreign write, even where the limit is the same share of a CPU as before.
    fn has_other_period(
        &mut self,
        now: Nanos,
        slot: Slot,
        cpu: &CpuSignals,
        out: &mut Tick,
    ) -> bool {
        let settings = self.settings;
        let Some(workload) = self.workload(slot) else {
            return false;
        };
        let newborn = now.since(workload.born) < settings.newborn;
        let enforced = workload.mode == Mode::Enforce;
        let Some(control) = self.control(slot, Resource::Cpu) else {
            return false;
        };
        if cpu.period_us == 0 || cpu.period_us == control.period_us {
            return false;
        }
        control.set_period(cpu.period_us);
        // The fast loop may have found the write already, without knowing why.
        let found_before = control.foreign.stands_back() && cpu.held == control.known;
        let ours = control.known;
        let theirs = cpu.held;
        let what = if newborn || !enforced || found_before {
            control.follow(theirs);
            (theirs != ours).then_some(NoticeKind::OwnerChanged {
                from: ours,
                to: theirs,
            })
        } else {
            Some(control.found(now, theirs, &settings))
        };
        out.notices.extend(what.map(|what| Notice {
            time: now,
            slot,
            resource: Resource::Cpu,
            what,
        }));
        true
    }

    fn observe_memory(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        signals: &WorkloadSignals,
        memory: &MemorySignals,
        out: &mut Tick,
    ) {
        let Some(armed) = self.check(
            now,
            snapshot,
            signals.slot,
            Resource::Memory,
            memory.held,
            out,
        ) else {
            return;
        };
        let headroom = self.memory_headroom();
        let Some(control) = self.control(signals.slot, Resource::Memory) else {
            return;
        };
        control.usage.push_memory(now, memory);
        let mut short = false;
        if let Some(give_back) = control.bounds.give_back {
            let set = control
                .working_set
                .get_or_insert_with(|| Box::new(WorkingSet::new(give_back.window)));
            set.push(now, snapshot.elapsed, memory);
            short = set.is_short();
        }
        let seen = Seen::memory(snapshot.time, snapshot.elapsed, memory, short);
        control.watch(now, &seen);
        if armed && control.answer == Answer::None && nearly_full(control, memory) {
            let event = twin(
                snapshot,
                signals.slot,
                Resource::Memory,
                memory.held,
                memory.anonymous,
                headroom,
            );
            out.twins.push(event);
        }
        self.foresee(now, signals.slot, Resource::Memory);
    }

    /// What the node's memory has left beyond the reserve.
    pub(super) const fn memory_headroom(&self) -> Amount {
        self.node
            .memory_available
            .minus(self.settings.reserve[Resource::Memory.index()])
    }

    /// Compares the limit read with the one believed; tells whether it may be written, or `None`
    /// when it is not managed.
    fn check(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        slot: Slot,
        resource: Resource,
        held: Amount,
        out: &mut Tick,
    ) -> Option<bool> {
        let workload = self.workload(slot)?;
        let epoch = workload.epoch;
        let armed = self.armed(workload, workload.controls[resource.index()].as_ref()?);
        let settings = self.settings;
        let control = self.control(slot, resource)?;
        control.fresh = true;
        let mut notice = |what| {
            out.notices.push(Notice {
                time: now,
                slot,
                resource,
                what,
            });
        };
        if control.foreign.resume(now) {
            control.sent = None;
            notice(NoticeKind::Resumed);
        }
        if held == control.known {
            control.doubt = None;
            return Some(armed);
        }
        // Our own write may be newer than the news of it, unless none was made.
        let again = control.doubt.replace(held) == Some(held) || control.foreign.stands_back();
        if armed {
            out.audits.push(Audit {
                time: snapshot.time,
                slot,
                resource,
                epoch,
                held,
            });
        } else if again {
            // The fast loop writes nothing any more, so this is proof.
            let from = control.known;
            if control.foreign.stands_back() {
                notice(control.found(now, held, &settings));
            } else {
                if held != control.adopted {
                    notice(NoticeKind::OwnerChanged { from, to: held });
                }
                control.follow(held);
            }
        }
        Some(armed)
    }

    /// Compares a limit that was read between two ticks, not before `time`, with the one believed.
    /// Where it differs and may be written, the fast loop is to judge. One that is left alone was
    /// certainly written by somebody else, of which [`Engine::notices`] tells.
    pub fn heard(
        &mut self,
        time: Nanos,
        slot: Slot,
        resource: Resource,
        held: Amount,
    ) -> Option<Audit> {
        let workload = self.workload(slot)?;
        let epoch = workload.epoch;
        let armed = self.armed(workload, workload.controls[resource.index()].as_ref()?);
        let settings = self.settings;
        let control = self.control(slot, resource)?;
        if held == control.known {
            return None;
        }
        if armed {
            return Some(Audit {
                time,
                slot,
                resource,
                epoch,
                held,
            });
        }
        if control.foreign.stands_back() {
            let what = control.found(time, held, &settings);
            self.notices.push(Notice {
                time,
                slot,
                resource,
                what,
            });
        }
        None
    }

    /// Whether a limit that was read earlier can stand for one that is read now: it is the one believed,
    /// and nothing is under way that could change it or cast doubt on it. True of one that is not managed.
    #[must_use]
    pub fn is_settled(&self, slot: Slot, resource: Resource, held: Amount) -> bool {
        let Some(workload) = self.workload(slot) else {
            return false;
        };
        workload.controls[resource.index()]
            .as_ref()
            .is_none_or(|control| {
                let calm = control.doubt.is_none() && !control.foreign.stands_back();
                let quiet = control.ordered.is_none() && control.answer == Answer::None;
                held == control.known && calm && quiet && control.sent.is_some()
            })
    }

    pub(super) fn control(&mut self, slot: Slot, resource: Resource) -> Option<&mut Control> {
        self.workloads.get_mut(slot.0 as usize)?.as_mut()?.controls[resource.index()].as_mut()
    }
}

/// Whether memory that cannot be dropped will reach the limit before the next tick, if it goes on
/// growing as it did during the last, or the kernel says that the limit was hit for want of it.
fn nearly_full(control: &Control, memory: &MemorySignals) -> bool {
    if memory.held.is_unlimited() {
        return false;
    }
    let soon = memory.anonymous.plus(control.usage.growth());
    let hit = memory.high > 0 || memory.oom > 0 || memory.oom_kill > 0;
    let room = memory.held.0 / 16;
    soon.0 >= room * 15 || hit && memory.anonymous.0 >= room * 10
}

/// The event that should have come.
fn twin(
    snapshot: &Snapshot,
    slot: Slot,
    resource: Resource,
    held: Amount,
    used: Amount,
    headroom: Amount,
) -> Event {
    Event {
        time: snapshot.time,
        slot,
        resource,
        cause: Cause::Twin,
        held,
        used,
        headroom,
    }
}
