//! A file that is read again and again, and the kernel's two simplest file formats.

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::descriptors::{may_keep, may_rest_open};

/// Why a kernel file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SenseError {
    /// A system call failed.
    #[error("{path}: {syscall}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system call.
        syscall: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The content is not what the kernel documents.
    #[error("{path}: cannot make sense of {text:?}")]
    Garbled {
        /// The file.
        path: PathBuf,
        /// The beginning of what it held.
        text: String,
    },
    /// The content does not fit into the buffer, so that its end is missing.
    #[error("{path}: longer than the {room} bytes kept for it")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Size of the buffer in bytes.
        room: usize,
    },
    /// There is no usable cgroup hierarchy.
    #[error("no cgroup hierarchy is mounted: {0}")]
    NoHierarchy(String),
}

impl SenseError {
    /// Whether it says that the cgroup is no more.
    pub(super) fn means_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if means_gone(source))
    }
}

/// What became of a look at something that may vanish at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight<T> {
    /// It was there.
    Here(T),
    /// The cgroup has been removed: a state, not an error.
    Gone,
}

impl<T> Sight<T> {
    /// The value, `None` if it is gone.
    pub fn here(self) -> Option<T> {
        match self {
            Self::Here(value) => Some(value),
            Self::Gone => None,
        }
    }

    /// Whether it has vanished.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// The buffer that all reads of one thread share: large enough for the longest file read here
/// (`memory.stat`, some 5 KB on large hosts).
#[derive(Debug)]
pub struct Scratch(Box<[u8]>);

impl Scratch {
    /// Bytes in the buffer.
    pub const SIZE: usize = 16 * 1024;

    /// A new buffer: the only allocation.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![0; Self::SIZE].into_boxed_slice())
    }

    /// The whole buffer.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an error says that the cgroup behind a descriptor or path is no more.
#[must_use]
pub fn means_gone(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NODEV | Errno::NOENT | Errno::STALE)
    )
}

/// A file that is read many times: open from one read to the next, where descriptors are not short and nobody
/// says that it rests. The kernel keeps a page of its own for each open file that has been read
/// (`seq_read_iter` in `fs/seq_file.c`).
#[derive(Debug)]
pub struct KeptFile {
    open: OnceCell<File>,
    /// Tells whether what is opened by the path is still the same one.
    inode: u64,
    path: Arc<Path>,
}

impl KeptFile {
    /// Opens `name` inside the directory `dir`, for reading; `None` if there is no such file.
    ///
    /// # Errors
    /// Any other failure of `openat(2)`, or `fstat(2)` failed.
    pub fn open_in(
        dir: BorrowedFd<'_>,
        dir_path: &Path,
        name: &str,
    ) -> Result<Option<Self>, SenseError> {
        let path = dir_path.join(name);
        let failed = |syscall| {
            move |source| SenseError::Io {
                path: dir_path.join(name),
                syscall,
                source,
            }
        };
        let file = match openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(failed("openat")(errno.into())),
        };
        let inode = file.metadata().map_err(failed("fstat"))?.ino();
        let kept = Self {
            open: OnceCell::new(),
            inode,
            path: path.into(),
        };
        kept.keep(file);
        Ok(Some(kept))
    }

    /// Opens a file by its path, for reading; it stays open.
    ///
    /// # Errors
    /// Any failure of `open(2)`, or `fstat(2)` failed.
    pub fn open(path: &Path) -> Result<Self, SenseError> {
        let failed = |syscall| {
            move |source| SenseError::Io {
                path: path.into(),
                syscall,
                source,
            }
        };
        let file = File::open(path).map_err(failed("open"))?;
        let inode = file.metadata().map_err(failed("fstat"))?.ino();
        Ok(Self {
            open: file.into(),
            inode,
            path: path.into(),
        })
    }

    /// Closes it until it is read again.
    pub fn close(&mut self) {
        self.open.take();
    }

    /// Closes it until it is read again, unless it is among the first: for what is looked at now and then.
    pub fn rest(&mut self) {
        if self
            .open
            .get()
            .is_some_and(|file| !may_rest_open(file.as_fd()))
        {
            self.close();
        }
    }

    /// Keeps it open where there are descriptors enough.
    fn keep(&self, file: File) {
        if may_keep(file.as_fd()) {
            // It is opened only where it is not open.
            let _ = self.open.set(file);
        }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole content with one `pread`: the kernel makes it afresh for every read at
    /// offset 0, and a second read would make it again.
    ///
    /// # Errors
    /// Any failure that does not mean that the cgroup is gone, or content that fills `buffer`.
    pub fn read<'b>(&self, buffer: &'b mut [u8]) -> Result<Sight<&'b [u8]>, SenseError> {
        let room = buffer.len();
        match self.head(buffer)? {
            Sight::Here(text) if text.len() == room => Err(SenseError::TooLong {
                path: self.path.to_path_buf(),
                room,
            }),
            sight => Ok(sight),
        }
    }

    /// Reads the beginning of the content: as much as fits.
    ///
    /// # Errors
    /// Any failure that does not mean that the cgroup is gone.
    pub fn head<'b>(&self, buffer: &'b mut [u8]) -> Result<Sight<&'b [u8]>, SenseError> {
        let read = match self.open.get() {
            Some(file) => pread(file, buffer),
            None => self.open_again().and_then(|file| match file {
                Sight::Here(file) => {
                    let read = pread(&file, buffer);
                    self.keep(file);
                    read
                }
                Sight::Gone => Ok(Sight::Gone),
            }),
        };
        match read {
            Ok(Sight::Here(read)) => Ok(Sight::Here(&buffer[..read])),
            Ok(Sight::Gone) => Ok(Sight::Gone),
            Err(source) => Err(SenseError::Io {
                path: self.path.to_path_buf(),
                syscall: "pread",
                source,
            }),
        }
    }

    /// Opens it, if what is there now is still the same file.
    fn open_again(&self) -> io::Result<Sight<File>> {
        let same = File::open(&self.path)
            .and_then(|file| Ok((file.metadata()?.ino() == self.inode).then_some(file)));
        match same {
            Ok(Some(file)) => Ok(Sight::Here(file)),
            Ok(None) => Ok(Sight::Gone),
            Err(error) if means_gone(&error) => Ok(Sight::Gone),
            Err(error) => Err(error),
        }
    }

    /// Reads and parses; content that the parser refuses is [`SenseError::Garbled`].
    ///
    /// # Errors
    /// As [`KeptFile::read`], or the parser returned `None`.
    pub fn parse<T>(
        &self,
        scratch: &mut Scratch,
        parser: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Sight<T>, SenseError> {
        match self.read(scratch.bytes())? {
            Sight::Gone => Ok(Sight::Gone),
            Sight::Here(text) => match parser(text) {
                Some(value) => Ok(Sight::Here(value)),
                None => Err(garbled(&self.path, text)),
            },
        }
    }
}

/// Reads from the beginning, with one call.
fn pread(file: &File, buffer: &mut [u8]) -> io::Result<Sight<usize>> {
    loop {
        match file.read_at(buffer, 0) {
            Ok(read) => return Ok(Sight::Here(read)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if means_gone(&error) => return Ok(Sight::Gone),
            Err(error) => return Err(error),
        }
    }
}

/// An error that shows the beginning of what could not be parsed.
#[must_use]
pub fn garbled(path: &Path, text: &[u8]) -> SenseError {
    let start = &text[..text.len().min(80)];
    SenseError::Garbled {
        path: path.to_path_buf(),
        text: String::from_utf8_lossy(start).into_owned(),
    }
}

/// A decimal number that fills the whole of `text`.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A file that holds one number: `memory.current`, `cpuacct.usage`.
#[must_use]
pub fn single(text: &[u8]) -> Option<u64> {
    number(text.trim_ascii())
}

/// A file that holds one limit: a number, or `max` or `-1` for none (`u64::MAX`).
#[must_use]
pub fn limit(text: &[u8]) -> Option<u64> {
    match text.trim_ascii() {
        b"max" | b"-1" => Some(u64::MAX),
        text => number(text),
    }
}

/// The lines of a flat keyed file (`cpu.stat`, `memory.stat`) as key and value. A line without a
/// space, as at the end of a truncated read, yields an empty value, which is no number.
pub fn flat(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| match line.iter().position(|byte| *byte == b' ') {
            Some(space) => (&line[..space], &line[space + 1..]),
            None => (line, &line[line.len()..]),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_a_directory() -> (tempfile::TempDir, PathBuf, KeptFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory.current");
        std::fs::write(&path, "1\n").unwrap();
        let fd = File::open(dir.path()).unwrap();
        let file = KeptFile::open_in(fd.as_fd(), dir.path(), "memory.current");
        (dir, path, file.unwrap().unwrap())
    }

    #[test]
    fn a_file_that_is_closed_is_opened_when_it_is_read() {
        let (_dir, _path, mut file) = in_a_directory();
        assert!(file.open.get().is_some());
        file.close();
        assert!(file.open.get().is_none());
        let read = file.parse(&mut Scratch::new(), single).unwrap();
        assert_eq!(read, Sight::Here(1));
        assert!(file.open.get().is_some());
    }

    #[test]
    fn only_the_first_files_stay_open_at_rest() {
        let (_dir, path, mut file) = in_a_directory();
        file.rest();
        assert!(file.open.get().is_some(), "tests have few files open");
        crate::sense::descriptors::raise_descriptor_limit(4096, 0).unwrap();
        let beyond = rustix::io::fcntl_dupfd_cloexec(File::open(path).unwrap(), 2048).unwrap();
        file.open = File::from(beyond).into();
        file.rest();
        assert!(file.open.get().is_none());
    }

    #[test]
    fn a_file_that_was_closed_is_still_the_same_one_or_gone() {
        let (dir, path, mut file) = in_a_directory();
        let mut scratch = Scratch::new();
        let mut read = || {
            file.close();
            file.parse(&mut scratch, single).unwrap()
        };
        assert_eq!(read(), Sight::Here(1));
        std::fs::write(&path, "2\n").unwrap();
        assert_eq!(read(), Sight::Here(2));

        // Another file of the same name, while the first is still there: so the inode is another.
        std::fs::rename(&path, dir.path().join("old")).unwrap();
        std::fs::write(&path, "3\n").unwrap();
        assert_eq!(read(), Sight::Gone);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(), Sight::Gone);
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        for (text, value) in [
            (&b"0"[..], Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"-1", None),
            (b"12 ", None),
            (b"1e3", None),
            (b"\xff", None),
        ] {
            assert_eq!(number(text), value, "{text:?}");
        }
        assert_eq!(single(b"42\n"), Some(42));
        assert_eq!(limit(b"max\n"), Some(u64::MAX));
        assert_eq!(limit(b"-1\n"), Some(u64::MAX));
        assert_eq!(limit(b"4096\n"), Some(4096));
        assert_eq!(limit(b"ma"), None);
    }

    #[test]
    fn flat_lines_survive_truncation() {
        let pairs: Vec<_> = flat(b"a 1\nbb 22\ncc").collect();
        assert_eq!(
            pairs,
            [(&b"a"[..], &b"1"[..]), (b"bb", b"22"), (b"cc", b"")]
        );
        assert_eq!(flat(b"").count(), 0);
    }

    #[test]
    fn a_full_buffer_is_not_mistaken_for_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"12345678").unwrap();
        let file = KeptFile::open(&path).unwrap();
        assert!(matches!(
            file.read(&mut [0; 8]),
            Err(SenseError::TooLong { room: 8, .. })
        ));
        assert_eq!(
            file.read(&mut [0; 9]).unwrap(),
            Sight::Here(&b"12345678"[..])
        );
    }
}
