//! Telling systemd the original values again, once the kernel's files hold them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Instant,
};

use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant as Moment, timeout_at},
};

use super::{bus::Bus, drop_in};
use crate::{
    act::{
        deadline,
        entry::{Entry, Key},
        error::ActError,
        ledger::Ledger,
        limit_file::LimitFile,
        restore::{Report, Value},
    },
    identity::source::Failure,
};

/// One property that we may have set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Property {
    /// Its entry in the ledger.
    key: Key,
    /// The socket of the bus.
    bus: PathBuf,
    /// The unit.
    unit: String,
    /// What it was originally.
    original: u64,
    /// Whether a drop-in of this boot had it then.
    is_set: bool,
    /// What we have told: any other value is somebody else's. `None` where that is not known.
    told: Option<Vec<u64>>,
}

/// Tells systemd the originals of files that are `done`. Returns what is done then: what it cannot be
/// told stays in the ledger, and is reported.
pub(in crate::act) fn tell_units(
    ledger: &Ledger,
    done: Vec<Key>,
    report: &mut Report,
    deadline: Instant,
) -> Vec<Key> {
    let of_units = |key: &Key| ledger.get(key).is_some_and(|entry| entry.unit.is_some());
    let (of_units, mut all) = partition(done, of_units);
    if of_units.is_empty() {
        return all;
    }
    let mut left: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in ledger.entries() {
        if let Some(unit) = entry
            .unit
            .as_ref()
            .filter(|_| !of_units.contains(&entry.key))
        {
            left.entry(&unit.unit).or_default().push(entry);
        }
    }
    let mut properties = Vec::new();
    for entry in of_units.iter().filter_map(|key| ledger.get(key)) {
        let unit = entry.unit.as_ref().map_or("", |unit| &unit.unit);
        match others(entry, left.get(unit).map_or(&[][..], Vec::as_slice)) {
            Others::Newer => all.push(entry.key.clone()),
            Others::Pending => {}
            Others::None => properties.extend(property(ledger, entry)),
        }
    }
    let (back, left) = give_back(properties, deadline);
    all.extend(back);
    for (key, why) in left {
        let Some(entry) = ledger.get(&key) else {
            continue;
        };
        report.pending.push(Value {
            group: entry.group.clone(),
            file: key.file,
            original: entry.original.clone(),
            now: entry.original.clone(),
            why: Some(format!("systemd was not told: {why}")),
        });
    }
    all
}

/// Entries that say whether a property may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    None,
    /// The unit has been started again, and that group's entry has the original, too.
    Newer,
    /// systemd writes all limits of a resource together, and one of them cannot go back yet.
    Pending,
}

/// What the entries of the same unit that are `left` in the ledger say.
fn others(entry: &Entry, left: &[&Entry]) -> Others {
    let mut others = Others::None;
    for other in left {
        if other.key.inode != entry.key.inode {
            if other.key.file == entry.key.file {
                return Others::Newer;
            }
        } else if other.key.file.resource() == entry.key.file.resource() {
            others = Others::Pending;
        }
    }
    others
}

fn partition(keys: Vec<Key>, first: impl Fn(&Key) -> bool) -> (BTreeSet<Key>, Vec<Key>) {
    let (first, rest): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(first);
    (first.into_iter().collect(), rest)
}

fn property(ledger: &Ledger, entry: &Entry) -> Option<Property> {
    let unit = entry.unit.as_ref()?;
    Some(Property {
        key: entry.key.clone(),
        bus: unit.bus.clone(),
        unit: unit.unit.clone(),
        original: unit.value,
        is_set: unit.is_set,
        told: ledger.told(entry),
    })
}

/// The properties of one unit.
type Units = BTreeMap<String, Vec<Property>>;

/// Gives properties their originals back, but for those that somebody else has set since. Those that
/// are done, and why the others are not.
fn give_back(properties: Vec<Property>, deadline: Instant) -> (Vec<Key>, Vec<(Key, String)>) {
    let keys: Vec<Key> = properties.iter().map(|one| one.key.clone()).collect();
    let mut buses: BTreeMap<PathBuf, Units> = BTreeMap::new();
    for property in properties {
        let units = buses.entry(property.bus.clone()).or_default();
        units
            .entry(property.unit.clone())
            .or_default()
            .push(property);
    }
    let work = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::from(&error))?;
        runtime.block_on(async {
            let mut done = Vec::new();
            let mut left = Vec::new();
            for (bus, units) in buses {
                talk(&bus, units, deadline, &mut done, &mut left).await;
            }
            Ok((done, left))
        })
    };
    // Its calls end in time by themselves; the thread is because there may be a runtime already.
    let grace = deadline + std::time::Duration::from_millis(100);
    let result: Result<Result<_, Failure>, ActError> = deadline::run("systemd", grace, work);
    let failed = |why: String| {
        let left = keys.iter().map(|key| (key.clone(), why.clone()));
        (Vec::new(), left.collect())
    };
    match result {
        Ok(Ok(answer)) => answer,
        Ok(Err(failure)) => failed(failure.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

async fn talk(
    bus: &Path,
    units: Units,
    deadline: Instant,
    done: &mut Vec<Key>,
    left: &mut Vec<(Key, String)>,
) {
    let deadline = Moment::from_std(deadline);
    let connected = timeout_at(deadline, Bus::connect(bus)).await;
    let bus = match connected.unwrap_or(Err(Failure::Silent)) {
        Ok(bus) => bus,
        Err(failure) => {
            let keys = units.into_values().flatten().map(|one| one.key);
            return left.extend(keys.map(|key| (key, failure.to_string())));
        }
    };
    let mut calls = JoinSet::new();
    for (unit, properties) in units {
        let bus = bus.clone();
        calls.spawn(async move {
            let answer = timeout_at(deadline, unit_back(&bus, &unit, &properties)).await;
            (properties, answer.unwrap_or(Err(Failure::Silent)))
        });
    }
    while let Some(call) = calls.join_next().await {
        let Ok((properties, answer)) = call else {
            continue;
        };
        let keys = properties.into_iter().map(|one| one.key);
        match answer {
            Ok(()) => done.extend(keys),
            Err(failure) => left.extend(keys.map(|key| (key, failure.to_string()))),
        }
    }
    // What has been set stands, whether or not it is waited for.
    let _ = timeout_at(deadline, bus.settled()).await;
}

async fn unit_back(bus: &Bus, unit: &str, properties: &[Property]) -> Result<(), Failure> {
    let held = bus.unit_of(unit).await?.values;
    let values = originals(properties, &held);
    if !values.is_empty() {
        // A unit that there is not any more has no limits.
        bus.set(unit, &values).await?;
    }
    for one in properties {
        let file = one.key.file;
        if one.is_left_behind(&held)
            && let Err(error) = drop_in::remove(unit, file)
        {
            tracing::warn!(unit, %file, %error, "a drop-in stays behind in /run/systemd");
        }
    }
    Ok(())
}

/// Which properties are to be set: those that hold what we told, and not the original.
fn originals(properties: &[Property], held: &BTreeMap<LimitFile, u64>) -> Vec<(LimitFile, u64)> {
    let ours = properties.iter().filter(|one| one.is_ours(held));
    ours.map(|one| (one.key.file, one.original)).collect()
}

impl Property {
    /// Whether it holds what we told, and not the original.
    fn is_ours(&self, held: &BTreeMap<LimitFile, u64>) -> bool {
        held.get(&self.key.file).is_some_and(|held| {
            let ours = self.told.as_ref().is_none_or(|told| told.contains(held));
            ours && *held != self.original
        })
    }

    /// Whether nobody but us has had systemd write a drop-in for it.
    fn is_left_behind(&self, held: &BTreeMap<LimitFile, u64>) -> bool {
        let original = self.original;
        let told = self.told.as_ref();
        let told = told.is_none_or(|told| told.iter().any(|told| *told != original));
        let theirs = held
            .get(&self.key.file)
            .is_some_and(|held| *held != original);
        told && !self.is_set && (!theirs || self.is_ours(held))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::act::ledger::{Ours, UnitValue};

    fn property(file: LimitFile, original: u64, told: &[u64]) -> Property {
        Property {
            key: Key {
                dir: "/sys/fs/cgroup/a.service".into(),
                inode: 7,
                file,
            },
            bus: "/nonexistent/bus".into(),
            unit: "a.service".into(),
            original,
            is_set: false,
            told: Some(told.to_vec()),
        }
    }

    #[test]
    fn what_somebody_else_has_set_stays() {
        let properties = [
            property(LimitFile::CpuMax, u64::MAX, &[500_000, 600_000]),
            property(LimitFile::CpuWeight, 100, &[100]),
            property(LimitFile::MemoryHigh, 1 << 20, &[2 << 20]),
            property(LimitFile::MemoryMax, 1 << 20, &[2 << 20]),
        ];
        let held = BTreeMap::from([
            (LimitFile::CpuMax, 600_000),
            (LimitFile::CpuWeight, 100),
            (LimitFile::MemoryHigh, 3 << 20),
        ]);
        assert_eq!(
            originals(&properties, &held),
            [(LimitFile::CpuMax, u64::MAX)]
        );
    }

    #[test]
    fn a_drop_in_goes_unless_it_is_somebody_elses() {
        let one = |told: &[u64]| property(LimitFile::CpuMax, 125_000, told);
        let held = |value| BTreeMap::from([(LimitFile::CpuMax, value)]);
        let is_set = Property {
            is_set: true,
            ..one(&[130_000, 250_000])
        };
        for (property, held, goes) in [
            (one(&[130_000, 250_000]), held(250_000), true),
            (one(&[250_000, 125_000]), held(125_000), true),
            // Its unit is gone.
            (one(&[130_000, 250_000]), BTreeMap::new(), true),
            // Somebody else's since.
            (one(&[130_000, 250_000]), held(330_000), false),
            // Never told, or told by somebody before.
            (one(&[125_000, 125_000]), held(125_000), false),
            (one(&[]), held(125_000), false),
            (is_set, held(250_000), false),
        ] {
            assert_eq!(
                property.is_left_behind(&held),
                goes,
                "{property:?} {held:?}"
            );
        }
    }

    #[test]
    fn a_resource_goes_back_as_a_whole_and_a_new_start_keeps_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), Duration::ZERO).unwrap();
        let entry = |inode, file| Entry {
            key: Key {
                dir: "/sys/fs/cgroup/a.service".into(),
                inode,
                file,
            },
            group: "a.service".into(),
            original: "max".into(),
            ours: Ours::Fixed {
                wrote: vec!["4096".into()],
            },
            unit: Some(UnitValue {
                unit: "a.service".into(),
                bus: "/nonexistent/bus".into(),
                value: u64::MAX,
                is_set: false,
                told: None,
            }),
        };
        let cpu = entry(7, LimitFile::CpuWeight);
        let [high, max] = [LimitFile::MemoryHigh, LimitFile::MemoryMax].map(|file| entry(7, file));
        ledger
            .record([cpu.clone(), high.clone(), max.clone()])
            .unwrap();
        assert_eq!(others(&cpu, &[&max]), Others::None);
        assert_eq!(others(&high, &[&max]), Others::Pending);
        let again = entry(8, LimitFile::MemoryHigh);
        assert_eq!(others(&high, &[&max, &again]), Others::Newer);
        assert_eq!(others(&max, &[&again]), Others::None);
        ledger.record([again]).unwrap();
        // What cannot be told is kept, and said.
        let mut report = Report::default();
        let deadline = Instant::now() + Duration::from_secs(2);
        let all = vec![cpu.key.clone(), high.key.clone(), max.key.clone()];
        let done = tell_units(&ledger, all, &mut report, deadline);
        assert_eq!(done, [high.key]);
        let why: Vec<_> = report
            .pending
            .iter()
            .map(|one| (one.file, one.why.as_deref()))
            .collect();
        let said = Some("systemd was not told: no socket");
        assert_eq!(
            why,
            [(LimitFile::CpuWeight, said), (LimitFile::MemoryMax, said)]
        );
    }

    #[test]
    fn without_a_bus_everything_is_left() {
        let one = property(LimitFile::CpuMax, 1, &[2]);
        let (done, left) = give_back(vec![one.clone()], Instant::now() + Duration::from_secs(2));
        assert_eq!(done, []);
        assert_eq!(left, [(one.key, "no socket".to_owned())]);
    }
}
