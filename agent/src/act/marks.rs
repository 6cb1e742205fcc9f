//! What each moving limit was last set to, kept where it survives the agent's death.
//!
//! The ledger is durable and therefore slow; moving limits move in microseconds. Each has a
//! record of two amounts in a file on tmpfs that is mapped into memory: the one before, and the one
//! about to be written. It is set by two stores before the limit itself, so that after a crash at
//! any moment the kernel holds one of the two, or else somebody else has written.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use trimtab_core::signal::Amount;

/// Bytes of a record.
const RECORD: usize = 16;

/// Records in the file: two for each workload that an agent can manage and four of its unit, and as many
/// left over from earlier ones.
const RECORDS: usize = 1 << 15;

/// `statfs` numbers of file systems that live in memory, where a write never waits for a disk.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// The file of all records.
#[derive(Clone, Debug)]
pub struct Marks {
    file: Arc<File>,
    records: Arc<Records>,
    path: PathBuf,
}

impl Marks {
    /// Opens or creates the file: in the ledger's directory if that is in memory, else in
    /// `/dev/shm`; `None` if neither is, since the fast thread must never wait for a disk.
    ///
    /// # Errors
    /// The file cannot be opened, or somebody else made it.
    pub fn open(dir: &Path) -> io::Result<Option<Self>> {
        let in_memory =
            |dir: &Path| rustix::fs::statfs(dir).is_ok_and(|fs| IN_MEMORY.contains(&fs.f_type));
        if in_memory(dir) {
            return Self::open_file(&dir.join("marks")).map(Some);
        }
        let shared = Path::new("/dev/shm");
        if !in_memory(shared) {
            return Ok(None);
        }
        // One file per ledger, whatever path leads to it.
        let stat = rustix::fs::stat(dir)?;
        Self::open_file(&shared.join(format!("trimtab-marks-{:x}-{:x}", stat.st_dev, stat.st_ino)))
            .map(Some)
    }

    fn open_file(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
        // `/dev/shm` is open to everybody: a file planted there could tell us lies.
        let stat = rustix::fs::fstat(&fd)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o077 != 0 {
            let reason = format!("{}: made by somebody else", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let file = File::from(fd);
        let records = Records::of(&file)?;
        Ok(Self {
            file: Arc::new(file),
            records: Arc::new(records),
            path: path.to_path_buf(),
        })
    }

    /// Removes the file: nothing is marked any more.
    pub fn remove(&self) {
        // What cannot be removed is overwritten by the next start.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Sets a record to one amount, and makes room for it, so that later ones cannot fail.
    ///
    /// # Errors
    /// The file system is full, or there are more records than the file has room for.
    pub fn set(&self, index: u32, amount: Amount) -> io::Result<()> {
        let offset = u64::from(index) * RECORD as u64;
        let room = FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.file, room, offset, RECORD as u64)?;
        self.records.note(index, amount, amount)
    }

    /// The two amounts of a record; `None` if it was never set.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<[Amount; 2]> {
        self.records.get(index)
    }

    /// The reading end of one record.
    #[must_use]
    pub fn echo(&self, index: u32) -> Echo {
        Echo {
            records: self.records.clone(),
            index,
        }
    }

    /// The writing end of one record, which holds `amount` now; to be [`Marks::set`] before.
    #[must_use]
    pub fn mark(&self, index: u32, amount: Amount) -> Mark {
        Mark {
            records: self.records.clone(),
            index,
            last: AtomicU64::new(amount.0),
        }
    }
}

/// The writing end of one record. One thread writes.
#[derive(Debug)]
pub struct Mark {
    records: Arc<Records>,
    index: u32,
    last: AtomicU64,
}

impl Mark {
    /// Notes that `to` is about to be written: two stores.
    ///
    /// # Errors
    /// There is no such record; then the limit must not be written either.
    pub fn about_to_write(&self, to: Amount) -> io::Result<()> {
        let before = Amount(self.last.load(Ordering::Relaxed));
        self.records.note(self.index, before, to)
    }

    /// Notes that `to` has been written.
    pub fn written(&self, to: Amount) {
        self.last.store(to.0, Ordering::Relaxed);
    }
}

/// The reading end of one record: two loads, for the fast thread.
#[derive(Debug)]
pub struct Echo {
    records: Arc<Records>,
    index: u32,
}

impl Echo {
    /// Whether the record holds an amount.
    #[must_use]
    pub fn contains(&self, amount: Amount) -> bool {
        let amounts = self.records.get(self.index);
        amounts.is_some_and(|amounts| amounts.contains(&amount))
    }
}

/// The file in memory.
#[derive(Debug)]
struct Records(MmapRaw);

impl Records {
    fn of(file: &File) -> io::Result<Self> {
        let bytes = RECORDS * RECORD;
        if file.metadata()?.len() < bytes as u64 {
            file.set_len(bytes as u64)?;
        }
        MmapOptions::new().len(bytes).map_raw(file).map(Self)
    }

    /// The two halves of a record.
    fn record(&self, index: u32) -> Option<[&AtomicU64; 2]> {
        let index = usize::try_from(index)
            .ok()
            .filter(|index| *index < RECORDS)?;
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "a mapping is aligned like a page"
        )]
        let start = self.0.as_mut_ptr().cast::<u64>();
        // SAFETY: aligned, and within the mapping, which lives as long as `self`. The file is only
        // ours to change, it never shrinks, and others read it when its writer is dead.
        Some([2 * index, 2 * index + 1].map(|half| unsafe { AtomicU64::from_ptr(start.add(half)) }))
    }

    fn get(&self, index: u32) -> Option<[Amount; 2]> {
        let [before, after] = self.record(index)?;
        let amounts = [before, after].map(|half| Amount(half.load(Ordering::Acquire)));
        // Nothing is a limit that nobody sets.
        (amounts != [Amount::ZERO; 2]).then_some(amounts)
    }

    /// The amount before is what the kernel holds, so that it may come first: a crash between the
    /// two stores leaves a record that is true.
    fn note(&self, index: u32, before: Amount, after: Amount) -> io::Result<()> {
        let [first, second] = self
            .record(index)
            .ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        first.store(before.0, Ordering::Release);
        second.store(after.0, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_the_amount_before_and_the_one_to_come() {
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
            eprintln!("SKIP: no /dev/shm");
            return;
        };
        let marks = Marks::open(dir.path()).unwrap().unwrap();
        assert_eq!(marks.get(3), None);
        marks.set(3, Amount(10)).unwrap();
        let mark = marks.mark(3, Amount(10));
        mark.about_to_write(Amount(20)).unwrap();
        assert_eq!(
            marks.get(3),
            Some([Amount(10), Amount(20)]),
            "killed before the write"
        );
        mark.about_to_write(Amount(30)).unwrap();
        assert_eq!(
            marks.get(3),
            Some([Amount(10), Amount(30)]),
            "20 was refused by the kernel"
        );
        mark.written(Amount(30));
        mark.about_to_write(Amount::UNLIMITED).unwrap();
        let again = Marks::open(dir.path()).unwrap().unwrap();
        assert_eq!(
            again.get(3),
            Some([Amount(30), Amount::UNLIMITED]),
            "survives its writer"
        );
        let last = u32::try_from(RECORDS).unwrap() - 1;
        marks.set(last, Amount(7)).unwrap();
        assert_eq!(again.get(last), Some([Amount(7); 2]));
        let full = marks.set(last + 1, Amount(7)).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(marks.get(last + 1), None);
    }

    #[test]
    fn a_directory_on_disk_has_its_records_in_shared_memory() {
        let dir = tempfile::tempdir().unwrap();
        let stat = rustix::fs::stat(dir.path()).unwrap();
        let path = format!("/dev/shm/trimtab-marks-{:x}-{:x}", stat.st_dev, stat.st_ino);
        let marks = Marks::open(dir.path()).unwrap();
        if marks.is_none() || dir.path().join("marks").exists() {
            eprintln!("SKIP: temporary files are in memory, or nothing is");
            return;
        }
        assert!(Path::new(&path).exists());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(
            Marks::open(dir.path()).is_err(),
            "a planted link is refused"
        );
        std::fs::remove_file(&path).unwrap();
    }
}
