//! What each moving limit was last set to, kept where it survives the agent's death.
//!
//! The ledger is durable and therefore slow; moving limits move in microseconds. Each has a
//! record of two amounts in a file on tmpfs: the one before, and the one about to be written.
//! It is set by one `pwrite` into memory before the limit itself, so that after a crash at any
//! moment the kernel holds one of the two, or else somebody else has written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use trimtab_core::signal::Amount;

const RECORD: usize = 16;

/// `statfs` numbers of file systems that live in memory, where a write never waits for a disk.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// The file of all records.
#[derive(Clone, Debug)]
pub struct Marks {
    file: Arc<File>,
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
        Ok(Self {
            file: Arc::new(File::from(fd)),
            path: path.to_path_buf(),
        })
    }

    /// Removes the file: nothing is marked any more.
    pub fn remove(&self) {
        // What cannot be removed is overwritten by the next start.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Sets a record to one amount, and makes room for it, so that later writes cannot fail.
    ///
    /// # Errors
    /// The file system is full.
    pub fn set(&self, index: u32, amount: Amount) -> io::Result<()> {
        self.file
            .write_all_at(&record(amount, amount), offset(index))
    }

    /// The two amounts of a record; `None` if it was never set.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, index: u32) -> io::Result<Option<[Amount; 2]>> {
        let mut bytes = [0; RECORD];
        match self.file.read_exact_at(&mut bytes, offset(index)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let (before, after) = bytes.split_at(RECORD / 2);
        let amount = |half: &[u8]| {
            half.try_into()
                .map(u64::from_le_bytes)
                .map(Amount)
                .unwrap_or_default()
        };
        Ok(Some([amount(before), amount(after)]))
    }

    /// The writing end of one record, which holds `amount` now.
    #[must_use]
    pub fn mark(&self, index: u32, amount: Amount) -> Mark {
        Mark {
            file: self.file.clone(),
            index,
            last: AtomicU64::new(amount.0),
        }
    }
}

/// The writing end of one record. One thread writes.
#[derive(Debug)]
pub struct Mark {
    file: Arc<File>,
    index: u32,
    last: AtomicU64,
}

impl Mark {
    /// Notes that `to` is about to be written: one `pwrite` into memory.
    ///
    /// # Errors
    /// The write failed; then the limit must not be written either.
    pub fn about_to_write(&self, to: Amount) -> io::Result<()> {
        let before = Amount(self.last.load(Ordering::Relaxed));
        self.file
            .write_all_at(&record(before, to), offset(self.index))
    }

    /// Notes that `to` has been written.
    pub fn written(&self, to: Amount) {
        self.last.store(to.0, Ordering::Relaxed);
    }
}

fn record(before: Amount, after: Amount) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    let (first, second) = bytes.split_at_mut(RECORD / 2);
    first.copy_from_slice(&before.0.to_le_bytes());
    second.copy_from_slice(&after.0.to_le_bytes());
    bytes
}

fn offset(index: u32) -> u64 {
    u64::from(index) * RECORD as u64
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
        assert_eq!(marks.get(3).unwrap(), None);
        marks.set(3, Amount(10)).unwrap();
        let mark = marks.mark(3, Amount(10));
        mark.about_to_write(Amount(20)).unwrap();
        assert_eq!(
            marks.get(3).unwrap(),
            Some([Amount(10), Amount(20)]),
            "killed before the write"
        );
        mark.about_to_write(Amount(30)).unwrap();
        assert_eq!(
            marks.get(3).unwrap(),
            Some([Amount(10), Amount(30)]),
            "20 was refused by the kernel"
        );
        mark.written(Amount(30));
        mark.about_to_write(Amount::UNLIMITED).unwrap();
        let again = Marks::open(dir.path()).unwrap().unwrap();
        assert_eq!(
            again.get(3).unwrap(),
            Some([Amount(30), Amount::UNLIMITED]),
            "survives its writer"
        );
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
