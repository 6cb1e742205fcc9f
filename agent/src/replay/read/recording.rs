//! Our own recordings: what each workload used in each tick of the slow loop.
//!
//! A segment has all workloads of a moment beside each other, and a series is wanted after the other: it is read as
//! a whole, and 24 bytes are kept of each tick of each workload.

use std::{
    collections::{BTreeMap, btree_map::IntoIter},
    path::Path,
    vec,
};

use trimtab_core::{
    record::{Call, Header, Item},
    signal::{Amount, Nanos, Resource, Slot},
    snapshot::WorkloadSignals,
};

use super::{About, Rows};
use crate::{
    record::{RecordError, read},
    replay::{
        convert::Row,
        error::{ReadError, Wrong},
        series::{CappedBy, Kind, Quantity, Scale},
    },
};

/// Stands for a resource of which there is no word.
const UNKNOWN: u64 = u64::MAX;

/// One workload.
#[derive(Debug, Default)]
struct Seen {
    /// What its owner had set, if anything.
    caps: [Option<u64>; 2],
    /// When each tick began, and what was used in it.
    ticks: Vec<[u64; 3]>,
}

/// Workloads by the paths of their groups.
#[derive(Debug, Default)]
struct Heard {
    paths: BTreeMap<Slot, String>,
    seen: BTreeMap<String, Seen>,
}

impl Heard {
    fn hear(&mut self, header: &Header, item: Item) {
        match item {
            Item::Key(key) => {
                for (slot, origin) in key.origins.iter() {
                    let caps = Resource::ALL.map(|resource| {
                        let view = key.engine.view(*slot, resource);
                        view.map_or(Amount::UNLIMITED, |view| view.adopted)
                    });
                    self.adopt(*slot, &origin.path, caps);
                }
            }
            Item::Call(Call::Adopt {
                slot, spec, origin, ..
            }) => self.adopt(slot, &origin.path, spec.adopted),
            Item::Call(Call::Remove(slot)) => drop(self.paths.remove(&slot)),
            Item::Tick(ticked) => {
                let snapshot = &ticked.snapshot;
                let began = Nanos(snapshot.time.0.saturating_sub(snapshot.elapsed.0));
                let at = header.unix_ns.saturating_add(began.0);
                let at = at.saturating_sub(header.monotonic.0);
                for signals in &snapshot.workloads {
                    self.tick(at, signals);
                }
            }
            Item::Call(_) => {}
        }
    }

    fn adopt(&mut self, slot: Slot, path: &str, caps: [Amount; 2]) {
        self.paths.insert(slot, path.to_owned());
        let seen = self.seen.entry(path.to_owned()).or_default();
        seen.caps = caps.map(|cap| Some(cap.0).filter(|_| !cap.is_unlimited()));
    }

    fn tick(&mut self, at: u64, signals: &WorkloadSignals) {
        let path = self.paths.get(&signals.slot);
        if let Some(seen) = path.and_then(|path| self.seen.get_mut(path)) {
            let cpu = signals.cpu.map_or(UNKNOWN, |cpu| cpu.used.0);
            let memory = signals.memory.map_or(UNKNOWN, |memory| memory.anonymous.0);
            seen.ticks.push([at, cpu, memory]);
        }
    }
}

/// One segment.
pub(super) struct Segment {
    series: IntoIter<String, Seen>,
    ticks: vec::IntoIter<[u64; 3]>,
    caps: [Option<u64>; 2],
    line: u64,
}

/// Reads all of a segment.
pub(super) fn open(path: &Path) -> Result<Segment, ReadError> {
    let mut heard = Heard::default();
    let each = |header: &Header, item| -> Result<(), RecordError> {
        heard.hear(header, item);
        Ok(())
    };
    read(path, each).map_err(|error| match error {
        RecordError::Os { source, .. } => Wrong::Io(source).at(path, None),
        RecordError::Fault { fault, .. } => Wrong::Segment(fault.to_string()).at(path, None),
        other @ RecordError::Limit { .. } => Wrong::Segment(other.to_string()).at(path, None),
    })?;
    Ok(Segment {
        series: heard.seen.into_iter(),
        ticks: Vec::new().into_iter(),
        caps: [None; 2],
        line: 0,
    })
}

impl Rows for Segment {
    fn series(&mut self) -> Result<Option<About>, ReadError> {
        let Some((name, seen)) = self.series.next() else {
            return Ok(None);
        };
        self.caps = seen.caps;
        self.ticks = seen.ticks.into_iter();
        self.line = 0;
        Ok(Some(About {
            name,
            kind: Kind::Capped {
                by: CappedBy::Limit,
            },
            scale: Scale::Measured,
            clock: true,
        }))
    }

    fn row(&mut self) -> Result<Option<Row>, ReadError> {
        let Some([at, cpu, memory]) = self.ticks.next() else {
            return Ok(None);
        };
        self.line += 1;
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let used = [cpu, memory].map(|used| Some(used).filter(|used| *used != UNKNOWN));
        let mut values = [None; 7];
        let places = [
            [Quantity::Cpu, Quantity::CpuCap],
            [Quantity::Memory, Quantity::MemoryCap],
        ];
        for ((used, cap), [place, cap_place]) in used.into_iter().zip(self.caps).zip(places) {
            values[place.index()] = used.map(signed);
            // What was lent beyond what the owner had set is use as good as any.
            let cap = cap.zip(used).map(|(cap, used)| cap.max(used));
            values[cap_place.index()] = cap.map(signed);
        }
        Ok(Some(Row {
            time: Some(at),
            line: self.line,
            values,
        }))
    }
}
