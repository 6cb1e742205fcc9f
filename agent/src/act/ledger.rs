//! The original values of everything we may change, kept before anything is written.
//!
//! One JSON file in the runtime directory, replaced atomically and synced. An entry belongs to one
//! file of one cgroup, known by its inode in this boot: a path that was removed and made again
//! never gets an old value. What a limit was last set to is not here but in [`super::marks`],
//! where writing it costs no disk access.
//!
//! Is a value ours? Yes if the kernel holds what is marked (the last amount, or the one that was
//! about to be written). Where nothing is marked, a moving limit is taken for ours if it lies
//! within the range in which we may move it, and a fixed one if it is among those written. All
//! else was written by somebody else, and is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use trimtab_core::signal::Amount;

pub use super::entry::{Entry, Key, Notice, Ours, UnitValue};
use super::limit_file::LimitFile;
use super::marks::{Mark, Marks};
use crate::sense::cpu::parse_max;

/// Why original values could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The runtime directory or a file in it could not be used.
    #[error("ledger: {path}: {action}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent, or a restore, holds the ledger.
    #[error("ledger: {path} is held by another process: stop the agent first")]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    boot_id: String,
    entries: Vec<Entry>,
}

const VERSION: u32 = 1;

/// The open ledger. While it is open, its directory is locked against other agents and restores.
#[derive(Debug)]
pub struct Ledger {
    pub(super) dir: PathBuf,
    boot_id: String,
    entries: BTreeMap<Key, Entry>,
    pub(super) marks: Option<Marks>,
    _lock: File,
}

impl Ledger {
    /// Opens the ledger in `dir`, which is created with mode 0700 if it is not there, and waits
    /// up to `patience` for another holder to let go (an agent that is just restoring).
    ///
    /// # Errors
    /// The directory cannot be used, or is held by another process.
    pub fn open(dir: &Path, patience: Duration) -> Result<(Self, Vec<Notice>), LedgerError> {
        Self::open_in_boot(dir, patience, &boot_id()?)
    }

    fn open_in_boot(
        dir: &Path,
        patience: Duration,
        boot: &str,
    ) -> Result<(Self, Vec<Notice>), LedgerError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed(dir, "create"))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(failed(dir, "chmod"))?;
        let lock = lock(&dir.join("ledger.lock"), patience)?;
        let mut notices = Vec::new();
        let marks = Marks::open(dir).unwrap_or_else(|error| {
            notices.push(Notice::NoMarks {
                reason: error.to_string(),
            });
            None
        });
        if marks.is_none() && notices.is_empty() {
            notices.push(Notice::NoMarks {
                reason: "no tmpfs at the runtime directory or /dev/shm".into(),
            });
        }
        let mut ledger = Self {
            dir: dir.to_path_buf(),
            boot_id: boot.to_owned(),
            entries: BTreeMap::new(),
            marks,
            _lock: lock,
        };
        let path = ledger.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((ledger, notices)),
            Err(error) => return Err(failed(&path, "read")(error)),
        };
        match parse(&bytes) {
            Ok(stored) if stored.boot_id == ledger.boot_id => {
                ledger.entries = stored
                    .entries
                    .into_iter()
                    .map(|entry| (entry.key.clone(), entry))
                    .collect();
            }
            Ok(stored) => {
                notices.push(Notice::OtherBoot {
                    entries: stored.entries.len(),
                });
                ledger.save()?;
            }
            Err(reason) => {
                let aside = free_name(dir);
                fs::rename(&path, &aside).map_err(failed(&path, "set aside"))?;
                notices.push(Notice::SetAside {
                    path: aside,
                    reason,
                });
            }
        }
        Ok((ledger, notices))
    }

    /// Every entry, parents before children.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entry of one file.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether nothing is to be put back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keeps original values, durably: on return they survive a crash, and only then may the
    /// files be written. An entry replaces one with the same key. Either all are kept or none.
    ///
    /// # Errors
    /// They could not be written, the disk is full for instance; then nothing may be changed.
    pub fn record(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), LedgerError> {
        let before = self.entries.clone();
        let used: BTreeSet<u32> = self
            .entries
            .values()
            .flat_map(|entry| [entry.ours.mark(), entry.told()])
            .flatten()
            .collect();
        let mut free = (0..).filter(|index| !used.contains(index));
        let mut of_others = Vec::new();
        for mut entry in entries {
            let old = self.entries.get(&entry.key);
            let old_mark = old.and_then(|old| old.ours.mark());
            let old_unit = old.and_then(|old| old.unit.clone());
            if entry.unit.is_none() {
                // Who cannot be asked just now has still been told.
                entry.unit.clone_from(&old_unit);
            }
            if let Ours::Moving { mark, .. } = &mut entry.ours {
                *mark = self
                    .marks
                    .as_ref()
                    .and_then(|_| old_mark.or_else(|| free.next()));
            }
            if let Some(unit) = &mut entry.unit {
                match self.tell_apart(unit, old_unit, || free.next()) {
                    Ok(record) => of_others.extend(record),
                    Err(error) => {
                        self.entries = before;
                        return Err(error);
                    }
                }
            }
            self.entries.insert(entry.key.clone(), entry);
        }
        if self.entries == before {
            return Ok(());
        }
        self.save().inspect_err(|_| self.entries = before)?;
        self.nothing_told(of_others)
    }

    /// Notes, durably, that `text` is about to be written to a file that is not moved by levers.
    ///
    /// # Errors
    /// It could not be written; then the file must not be either.
    pub fn intend(&mut self, key: &Key, text: &str) -> Result<(), LedgerError> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(());
        };
        let Ours::Fixed { wrote } = &entry.ours else {
            return Ok(());
        };
        if wrote.last().is_some_and(|last| last == text) {
            return Ok(());
        }
        let wrote = wrote
            .last()
            .cloned()
            .into_iter()
            .chain([text.to_owned()])
            .collect();
        let entry = Entry {
            ours: Ours::Fixed { wrote },
            ..entry.clone()
        };
        self.record([entry])
    }

    /// Notes, so that it survives a crash, that `text` is about to replace `held` in a file:
    /// for restoring, which writes moving limits without a lever.
    ///
    /// # Errors
    /// As [`Ledger::intend`].
    pub fn about_to_write(
        &mut self,
        key: &Key,
        held: &str,
        text: &str,
        period: Option<u64>,
    ) -> Result<(), LedgerError> {
        let mark = self.entries.get(key).and_then(|entry| entry.ours.mark());
        let amounts = key
            .file
            .amount(held, period)
            .zip(key.file.amount(text, period));
        if let (Some(marks), Some(index), Some((held, text))) = (&self.marks, mark, amounts) {
            return marks
                .mark(index, held)
                .about_to_write(text)
                .map_err(|source| LedgerError::Io {
                    path: self.dir.join("marks"),
                    action: "write",
                    source,
                });
        }
        self.intend(key, text)
    }

    /// Drops entries whose values are back, or whose groups are gone.
    ///
    /// # Errors
    /// The file could not be written; the entries are then dropped in memory only, and found
    /// again as already restored by the next start.
    pub fn forget<'k>(
        &mut self,
        keys: impl IntoIterator<Item = &'k Key>,
    ) -> Result<(), LedgerError> {
        let mut changed = false;
        for key in keys {
            changed |= self.entries.remove(key).is_some();
        }
        if changed { self.save() } else { Ok(()) }
    }

    /// The writing end of a moving limit's mark, set to the amount that the kernel holds now.
    ///
    /// # Errors
    /// The mark could not be written.
    pub fn mark(&self, key: &Key, held: Amount) -> Result<Option<Mark>, LedgerError> {
        let (Some(marks), Some(index)) = (
            &self.marks,
            self.entries.get(key).and_then(|entry| entry.ours.mark()),
        ) else {
            return Ok(None);
        };
        marks.set(index, held).map_err(|source| LedgerError::Io {
            path: self.dir.join("marks"),
            action: "write",
            source,
        })?;
        Ok(Some(marks.mark(index, held)))
    }

    /// Whether `text`, which the kernel holds now, is a value that we wrote.
    /// `v1_period_us` is needed for a v1 quota.
    #[must_use]
    pub fn is_ours(&self, entry: &Entry, text: &str, v1_period_us: Option<u64>) -> bool {
        let file = entry.key.file;
        match &entry.ours {
            Ours::Fixed { wrote } => wrote.iter().any(|ours| file.same(ours, text)),
            Ours::Moving {
                least,
                most,
                period_us,
                mark,
            } => {
                let period_now = match file {
                    LimitFile::CpuMax => parse_max(text.as_bytes()).map(|quota| quota.period_us),
                    _ => v1_period_us,
                };
                if period_us.is_some() && *period_us != period_now {
                    return false;
                }
                let Some(amount) = file.amount(text, v1_period_us) else {
                    return false;
                };
                let record = |index: Option<u32>| self.marks.as_ref()?.get(index?);
                let echo = record(entry.told()).is_some_and(|told| told.contains(&amount));
                match record(*mark) {
                    Some(marked) => echo || marked.contains(&amount),
                    None => *least <= amount && amount <= *most,
                }
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join("ledger.json")
    }

    fn save(&self) -> Result<(), LedgerError> {
        let path = self.path();
        let new = self.dir.join("ledger.json.new");
        let stored = Stored {
            version: VERSION,
            boot_id: self.boot_id.clone(),
            entries: self.entries.values().cloned().collect(),
        };
        let mut text =
            serde_json::to_vec(&stored).map_err(|error| failed(&new, "encode")(error.into()))?;
        text.push(b'\n');
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed(&new, "create"))?;
        file.write_all(&text).map_err(failed(&new, "write"))?;
        file.sync_all().map_err(failed(&new, "sync"))?;
        fs::rename(&new, &path).map_err(failed(&path, "replace"))?;
        let dir = File::open(&self.dir).map_err(failed(&self.dir, "open"))?;
        dir.sync_all().map_err(failed(&self.dir, "sync"))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let (true, Some(marks)) = (self.entries.is_empty(), &self.marks) {
            marks.remove();
        }
    }
}

/// The id of this boot.
///
/// # Errors
/// `/proc` cannot be read.
pub fn boot_id() -> Result<String, LedgerError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(LedgerError::Io {
            path: path.into(),
            action: "read",
            source,
        }),
    }
}

fn parse(bytes: &[u8]) -> Result<Stored, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if version.version != VERSION {
        return Err(format!(
            "version {} is not {VERSION}, the one that this program writes",
            version.version
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn free_name(dir: &Path) -> PathBuf {
    let name = |number: u32| dir.join(format!("ledger.json.damaged-{number}"));
    (1..=u32::MAX)
        .map(name)
        .find(|path| !path.exists())
        .unwrap_or_else(|| name(0))
}

/// Takes the lock, and keeps it as long as the file is open, however the process ends.
fn lock(path: &Path, patience: Duration) -> Result<File, LedgerError> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed(path, "create"))?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::Busy {
                    path: path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(path, "lock")(source)),
        }
    }
}

/// The error of what was tried on a path.
pub(super) fn failed(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(io::Error) -> LedgerError + use<> {
    let path = path.to_path_buf();
    move |source| LedgerError::Io {
        path,
        action,
        source,
    }
}
