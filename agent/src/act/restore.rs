//! Putting original values back, in an order that the kernel admits, without killing anybody.
//!
//! * A value that somebody else wrote stays; a group that is gone or was made again gets nothing.
//! * CPU: quotas that grow, parents first; then those that shrink, children first, since v1
//!   refuses a child above its parent. The burst is lowered before its quota, raised after it.
//! * Memory: a limit whose original lies below present use would make the kernel kill (v2) or
//!   refuse (v1). What can be dropped is reclaimed first; if that is not enough, the limit goes
//!   to the lowest safe value, is reported, and stays in the ledger until it can go back.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use trimtab_core::signal::{Amount, Resource};

use super::deadline;
use super::error::ActError;
use super::files::{padded, period, read_text, used, write_at};
use super::ledger::{Entry, Key, Ledger};
use super::limit_file::LimitFile;
use super::set::set;
use super::systemd::restore::tell_units;
use crate::sense::cgroup::GroupDir;
use crate::sense::file::Sight;
use crate::sense::hierarchy::Version;

/// What became of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Value {
    /// The group's path.
    pub group: String,
    /// The file.
    pub file: LimitFile,
    /// What it held originally.
    pub original: String,
    /// What it holds now.
    pub now: String,
    /// Why it is not the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What restoring did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Back at the original.
    pub restored: Vec<Value>,
    /// Not back yet; still in the ledger.
    pub pending: Vec<Value>,
    /// Written by somebody else since, and left alone.
    pub foreign: Vec<Value>,
    /// Files that held their originals already.
    pub unchanged: usize,
    /// Files whose groups are no more.
    pub gone: usize,
    /// The ledger itself could not be updated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
}

impl Report {
    /// Whether nothing is left to be put back.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty() && self.ledger.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (restored, unchanged, gone) = (self.restored.len(), self.unchanged, self.gone);
        write!(
            f,
            "{restored} limits put back, {unchanged} held their originals, {gone} of groups that are gone"
        )?;
        for value in &self.foreign {
            write!(
                f,
                "\n{} {}: '{}' was set by somebody else, left alone",
                value.group, value.file, value.now
            )?;
        }
        for value in &self.pending {
            let why = value.why.as_deref().unwrap_or("unknown");
            write!(
                f,
                "\n{} {}: at '{}', not yet '{}': {why}",
                value.group, value.file, value.now, value.original
            )?;
        }
        if let Some(error) = &self.ledger {
            write!(f, "\n{error}")?;
        }
        Ok(())
    }
}

/// One value that is ours and not the original.
struct Job {
    entry: Entry,
    held: String,
    period_us: Option<u64>,
}

impl Job {
    fn grows(&self) -> bool {
        let amount = |text: &str| self.entry.key.file.amount(text, self.period_us);
        amount(&self.entry.original) > amount(&self.held)
    }

    fn value(&self, now: String, why: Option<String>) -> Value {
        let Entry {
            key,
            group,
            original,
            ..
        } = &self.entry;
        Value {
            group: group.clone(),
            file: key.file,
            original: original.clone(),
            now,
            why,
        }
    }
}

/// How long owners may take to be told, whatever time is left.
const TELL: Duration = Duration::from_millis(200);

/// One restore in progress.
struct Restore<'l> {
    ledger: &'l mut Ledger,
    dirs: BTreeMap<(PathBuf, u64), GroupDir>,
    report: Report,
    done: Vec<Key>,
    deadline: Instant,
}

/// Puts back every selected entry. Writes that make the kernel reclaim are waited for until
/// `deadline`; what is not done by then stays in the ledger.
pub fn restore(ledger: &mut Ledger, select: impl Fn(&Entry) -> bool, deadline: Instant) -> Report {
    let entries: Vec<Entry> = ledger
        .entries()
        .filter(|entry| select(entry))
        .cloned()
        .collect();
    let mut restore = Restore {
        ledger,
        dirs: BTreeMap::new(),
        report: Report::default(),
        done: Vec::new(),
        deadline,
    };
    let jobs: Vec<Job> = entries
        .into_iter()
        .filter_map(|entry| restore.look(entry))
        .collect();
    let (cpu, memory): (Vec<Job>, Vec<Job>) = jobs
        .into_iter()
        .partition(|job| job.entry.key.file.resource() == Resource::Cpu);
    restore.cpu(cpu);
    restore.memory(memory);
    let Restore {
        ledger,
        mut report,
        done,
        ..
    } = restore;
    // Limits that wait for reclaim must not take the owners' time as well.
    let deadline = deadline.max(Instant::now() + TELL);
    let done = tell_units(ledger, done, &mut report, deadline);
    if let Err(error) = ledger.forget(&done) {
        report.ledger = Some(error.to_string());
    }
    report
}

impl Restore<'_> {
    /// Whether an entry needs work; if not, it is accounted for here.
    fn look(&mut self, entry: Entry) -> Option<Job> {
        let Key { dir, inode, file } = entry.key.clone();
        let place = (dir.clone(), inode);
        if !self.dirs.contains_key(&place) {
            match GroupDir::open_path(dir) {
                Ok(Sight::Here(open)) if open.id() == inode => {
                    self.dirs.insert(place.clone(), open);
                }
                Ok(_) => return self.gone(entry.key),
                Err(error) => return self.failed(entry, &error.into()),
            }
        }
        let dir = self.dirs.get(&place)?;
        let held = match read_text(dir, file.name()) {
            Ok(Some(held)) => held,
            Ok(None) | Err(ActError::Gone { .. }) => return self.gone(entry.key),
            Err(error) => return self.failed(entry, &error),
        };
        let version = if file.is_v1() {
            Version::V1
        } else {
            Version::V2
        };
        let is_quota = matches!(file, LimitFile::CfsQuota | LimitFile::CpuMax);
        let period_us = if is_quota {
            period(dir, version, &held).ok()
        } else {
            None
        };
        if file.same(&held, &entry.original) {
            self.report.unchanged += 1;
            self.done.push(entry.key);
            return None;
        }
        let ours = self.ledger.is_ours(&entry, &held, period_us);
        let job = Job {
            entry,
            held,
            period_us,
        };
        if !ours {
            self.report.foreign.push(job.value(job.held.clone(), None));
            self.done.push(job.entry.key);
            return None;
        }
        Some(job)
    }

    fn gone(&mut self, key: Key) -> Option<Job> {
        self.report.gone += 1;
        self.done.push(key);
        None
    }

    fn failed(&mut self, entry: Entry, error: &ActError) -> Option<Job> {
        let job = Job {
            held: "unknown".into(),
            entry,
            period_us: None,
        };
        self.report
            .pending
            .push(job.value("unknown".into(), Some(error.to_string())));
        None
    }

    fn cpu(&mut self, jobs: Vec<Job>) {
        let is_burst = |job: &Job| {
            matches!(
                job.entry.key.file,
                LimitFile::CpuMaxBurst | LimitFile::CfsBurst
            )
        };
        let is_quota =
            |job: &Job| matches!(job.entry.key.file, LimitFile::CpuMax | LimitFile::CfsQuota);
        let (bursts, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(is_burst);
        let (quotas, weights): (Vec<Job>, Vec<Job>) = others.into_iter().partition(is_quota);
        let (raised, lowered): (Vec<Job>, Vec<Job>) = bursts.into_iter().partition(Job::grows);
        let (grow, mut shrink): (Vec<Job>, Vec<Job>) = quotas.into_iter().partition(Job::grows);
        shrink.reverse();
        let mut left: Vec<Job> = lowered
            .into_iter()
            .chain(grow)
            .chain(shrink)
            .chain(raised)
            .chain(weights)
            .collect();
        // A quota that was refused because of another that follows succeeds in the next round.
        for last in [false, false, true] {
            for job in std::mem::take(&mut left) {
                match self.put(&job) {
                    Ok(()) => {}
                    Err(error)
                        if !last
                            && error.errno() == Some(rustix::io::Errno::INVAL.raw_os_error()) =>
                    {
                        left.push(job);
                    }
                    Err(error) => self.stays(&job, &error),
                }
            }
        }
    }

    fn memory(&mut self, jobs: Vec<Job>) {
        // The moving limit goes first: it is never above the hard one, before and afterwards,
        // unless the hard one has to make room for it.
        let (first, second): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| {
            job.grows()
                == matches!(
                    job.entry.key.file,
                    LimitFile::MemoryMax | LimitFile::MemswLimit
                )
        });
        for jobs in [first, second] {
            let (direct, tight): (Vec<Job>, Vec<Job>) =
                jobs.into_iter().partition(|job| self.has_room(job));
            for job in direct {
                if let Err(error) = self.put(&job) {
                    self.stays(&job, &error);
                }
            }
            self.squeeze(tight);
        }
    }

    /// Whether the original leaves room above present use.
    fn has_room(&self, job: &Job) -> bool {
        job.grows()
            || self
                .used(job)
                .is_none_or(|used| padded(used) <= original(job))
    }

    /// Bytes charged against the limit.
    fn used(&self, job: &Job) -> Option<u64> {
        used(self.dir(job)?, job.entry.key.file)
    }

    fn dir(&self, job: &Job) -> Option<&GroupDir> {
        self.dirs
            .get(&(job.entry.key.dir.clone(), job.entry.key.inode))
    }

    /// Limits whose originals lie below present use: all at once, each on a thread of its own.
    fn squeeze(&mut self, jobs: Vec<Job>) {
        let mut running = Vec::new();
        for job in jobs {
            let (Some(dir), used) = (
                self.dir(&job).map(GroupDir::try_clone),
                self.used(&job).unwrap_or(0),
            ) else {
                continue;
            };
            let (file, target, text) = (
                job.entry.key.file,
                original(&job),
                job.entry.original.clone(),
            );
            let what = format!(
                "{} <- {text}",
                job.entry.key.dir.join(file.name()).display()
            );
            let started = dir.map_err(ActError::from).and_then(|dir| {
                deadline::start(&what, move || lower(&dir, file, target, &text, used))
            });
            match started {
                Ok(work) => running.push((job, work)),
                Err(error) => self.stays(&job, &error),
            }
        }
        for (job, work) in running {
            match work.wait(self.deadline) {
                Ok(Ok(())) => self.finished(&job),
                Ok(Err(Lowering::Gone)) => {
                    self.report.gone += 1;
                    self.done.push(job.entry.key);
                }
                Ok(Err(Lowering::InUse)) => self.lowest_safe(&job),
                Ok(Err(Lowering::Failed(error))) | Err(error) => self.stays(&job, &error),
            }
        }
    }

    /// Sets the lowest limit that kills nobody; the entry stays in the ledger.
    fn lowest_safe(&mut self, job: &Job) {
        let used = self.used(job).unwrap_or(0);
        let file = job.entry.key.file;
        let safe = padded(used).max(original(job));
        let why = format!("{used} bytes are in use");
        if file.amount(&job.held, None).is_none_or(|held| safe >= held) {
            self.report
                .pending
                .push(job.value(job.held.clone(), Some(why)));
            return;
        }
        let text = safe.0.to_string();
        let result = self
            .ledger
            .about_to_write(&job.entry.key, &job.held, &text, None)
            .map_err(ActError::from);
        let result = result.and_then(|()| match self.dir(job) {
            Some(dir) => set(dir, file, &text).map(|_| ()),
            None => Ok(()),
        });
        match result {
            Ok(()) => self.report.pending.push(job.value(text, Some(why))),
            Err(error) => self.stays(job, &error),
        }
    }

    /// Writes the original. That needs no note in the ledger: a file that holds its original is
    /// done, whoever wrote it.
    fn put(&mut self, job: &Job) -> Result<(), ActError> {
        let Some(dir) = self.dir(job) else {
            return Ok(());
        };
        match set(dir, job.entry.key.file, &job.entry.original) {
            Ok(_) => self.finished(job),
            Err(ActError::Gone { .. }) => {
                self.report.gone += 1;
                self.done.push(job.entry.key.clone());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn finished(&mut self, job: &Job) {
        self.report
            .restored
            .push(job.value(job.entry.original.clone(), None));
        self.done.push(job.entry.key.clone());
    }

    fn stays(&mut self, job: &Job, error: &ActError) {
        let now = self
            .dir(job)
            .and_then(|dir| read_text(dir, job.entry.key.file.name()).ok().flatten());
        self.report.pending.push(job.value(
            now.unwrap_or_else(|| job.held.clone()),
            Some(error.to_string()),
        ));
    }
}

/// Why a limit was not lowered to its original.
enum Lowering {
    /// More is in use, and the kernel could not drop enough.
    InUse,
    /// The group is gone.
    Gone,
    /// Something else.
    Failed(ActError),
}

/// Lowers a limit below present use without killing: on v2 what can be dropped is reclaimed
/// first, and the limit follows only if that made room; v1 reclaims by itself and refuses if it
/// cannot.
fn lower(
    dir: &GroupDir,
    file: LimitFile,
    target: Amount,
    text: &str,
    used: u64,
) -> Result<(), Lowering> {
    if !file.is_v1() {
        let excess = padded(used).minus(target);
        // Reclaiming less than was asked for is an error to the kernel and progress to us.
        let _ = write_at(dir, "memory.reclaim", &excess.0.to_string());
        let used = read_text(dir, "memory.current")
            .ok()
            .flatten()
            .and_then(|text| text.parse().ok());
        if used.is_none_or(|used| padded(used) > target) {
            return Err(Lowering::InUse);
        }
    }
    match set(dir, file, text) {
        Ok(_) => Ok(()),
        Err(ActError::Gone { .. }) => Err(Lowering::Gone),
        Err(error) if error.errno() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
            Err(Lowering::InUse)
        }
        Err(error) => Err(Lowering::Failed(error)),
    }
}

fn original(job: &Job) -> Amount {
    job.entry
        .key
        .file
        .amount(&job.entry.original, job.period_us)
        .unwrap_or(Amount::UNLIMITED)
}
