//! The language runtimes in a group: what its processes' executables and libraries tell.
//!
//! An executable is read once, and a bounded part of it only: what stands in there is somebody
//! else's. Libraries are looked at each time where the executable tells nothing, since they may be
//! loaded late.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use object::{
    Endianness,
    elf::FileHeader64,
    read::{
        ReadCache, ReadRef as _,
        elf::{FileHeader as _, SectionHeader as _},
    },
};

use crate::identity::runtime::{Found, Runtime};

/// Processes of a group that are looked at, at most.
const PROCESSES: usize = 256;

/// Executables that are remembered.
const EXECUTABLES: usize = 1024;

/// The most that is read of an executable, in bytes.
const READ: u64 = 1 << 20;

/// The most that is read of a list of mappings, in bytes.
const MAPS: u64 = 4 << 20;

/// How much of Go's build information tells the version, in bytes.
const BUILD: u64 = 160;

/// A file, as long as it is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// What is known of executables.
#[derive(Debug, Default)]
pub struct Runtimes {
    known: HashMap<Identity, Option<Found>>,
}

impl Runtimes {
    /// The runtimes in the group at `dir` and below, and how many processes each has. Processes that
    /// have gone meanwhile, or may not be looked at, do not count.
    pub fn of(&mut self, dir: &Path) -> BTreeMap<Found, u32> {
        let mut pids = Vec::new();
        // A group that has gone has none.
        let _ = add_group(&mut pids, dir);
        let mut found = BTreeMap::new();
        for one in pids.into_iter().filter_map(|pid| self.of_process(pid)) {
            *found.entry(one).or_default() += 1;
        }
        found
    }

    fn of_process(&mut self, pid: u32) -> Option<Found> {
        let link = format!("/proc/{pid}/exe");
        let file = fs::metadata(&link).ok()?;
        let identity = Identity {
            device: file.dev(),
            inode: file.ino(),
            changed: (file.ctime(), file.ctime_nsec()),
        };
        if self.known.len() >= EXECUTABLES && !self.known.contains_key(&identity) {
            self.known.clear();
        }
        let executable = || of_executable(Path::new(&link));
        let told = self.known.entry(identity).or_insert_with(executable);
        told.clone().or_else(|| of_mappings(pid))
    }
}

/// The processes of a group and of those below.
fn add_group(pids: &mut Vec<u32>, dir: &Path) -> io::Result<()> {
    let procs = fs::read_to_string(dir.join("cgroup.procs"))?;
    let room = PROCESSES - pids.len();
    pids.extend(
        procs
            .lines()
            .filter_map(|line| line.parse::<u32>().ok())
            .take(room),
    );
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if pids.len() < PROCESSES && entry.file_type()?.is_dir() {
            // It may go while it is looked at.
            let _ = add_group(pids, &entry.path());
        }
    }
    Ok(())
}

/// What an executable tells: by what is in it, or else by its name.
fn of_executable(link: &Path) -> Option<Found> {
    let go = File::open(link).ok().and_then(|file| go_build(file, READ));
    go.as_deref().and_then(Found::go).or_else(|| {
        let path = fs::read_link(link).ok()?;
        let name = path.file_name()?.to_str()?;
        // What was replaced while it runs is said to be deleted.
        let name = name.strip_suffix(" (deleted)").unwrap_or(name);
        Runtime::of_executable(name).map(Found::new)
    })
}

/// The beginning of Go's build information, which has a section of its own, stripped or not.
fn go_build(file: impl Read + Seek, most: u64) -> Option<Vec<u8>> {
    let data = &ReadCache::new(Bounded { file, left: most });
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    // Without a count there are more sections than a header can say: no runtime's has so many.
    if header.e_shnum(endian) == 0 {
        return None;
    }
    let sections = header.sections(endian, data).ok()?;
    let (_, section) = sections.section_by_name(endian, b".go.buildinfo")?;
    let (offset, size) = section.file_range(endian)?;
    let bytes = data.read_bytes_at(offset, size.min(BUILD)).ok()?;
    Some(bytes.to_vec())
}

/// What the libraries of a process tell.
fn of_mappings(pid: u32) -> Option<Found> {
    let file = File::open(format!("/proc/{pid}/maps")).ok()?;
    let lines = BufReader::new(file.take(MAPS)).split(b'\n');
    let names: Vec<_> = lines
        .map_while(Result::ok)
        .filter_map(|line| {
            let slash = line.iter().rposition(|byte| *byte == b'/')?;
            Some(line[slash + 1..].to_vec())
        })
        .collect();
    Runtime::of_libraries(names.iter().map(Vec::as_slice)).map(Found::new)
}

/// A file of which no more than so many bytes are read.
struct Bounded<F> {
    file: F,
    left: u64,
}

impl<F: Read> Read for Bounded<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.file).take(self.left).read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl<F: Seek> Seek for Bounded<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, process::Command};

    use super::*;

    /// An ELF file with one section of this name and content, and the table of names.
    fn elf(name: &str, content: &[u8]) -> Vec<u8> {
        let names = format!("\0{name}\0");
        let (content_at, names_at) = (64, 64 + content.len() as u64);
        let table_at = names_at + names.len() as u64;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        // An executable for x86-64; entry, program headers; section headers; flags; sizes and counts.
        file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        file.extend([0; 16]);
        file.extend(table_at.to_le_bytes());
        file.extend([0, 0, 0, 0, 64, 0, 56, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        file.extend(content);
        file.extend(names.as_bytes());
        let mut section = |name: u32, kind: u32, at: u64, size: u64| {
            file.extend(name.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend([0; 16]);
            file.extend(at.to_le_bytes());
            file.extend(size.to_le_bytes());
            file.extend([0; 24]);
        };
        section(0, 0, 0, 0);
        section(1, 1, content_at, content.len() as u64);
        section(0, 3, names_at, names.len() as u64);
        file
    }

    fn build() -> Vec<u8> {
        let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
        bytes.resize(32, 0);
        bytes.extend(b"\x08go1.25.3\0");
        bytes.resize(4096, 7);
        bytes
    }

    #[test]
    fn the_section_is_found_within_bounds() {
        let file = elf(".go.buildinfo", &build());
        let read = |most| go_build(Cursor::new(&file), most);
        let found = read(READ).as_deref().and_then(Found::go).unwrap();
        assert_eq!(found.version.as_deref(), Some("1.25.3"));
        assert_eq!(read(256), None, "less than headers and names");
        assert_eq!(go_build(Cursor::new(elf(".data", &build())), READ), None);
    }

    #[test]
    fn what_is_no_executable_or_damaged_has_none() {
        let whole = elf(".go.buildinfo", &build());
        for length in [0, 3, 16, 63, 64, 200, whole.len() - 1] {
            let cut = &whole[..length];
            assert_eq!(go_build(Cursor::new(cut), READ), None, "{length}");
        }
        // Counts, places and sizes of sections that are nonsense.
        for place in (40..48).chain(58..64).chain(whole.len() - 192..whole.len()) {
            for byte in [0x00, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[place] = byte;
                let _ = go_build(Cursor::new(bent), READ);
            }
        }
    }

    /// Executables that are on many hosts, where they are on this one.
    #[test]
    fn real_executables_are_told_apart() {
        let known = [
            ("/usr/bin/containerd", Some(Runtime::Go)),
            ("/usr/bin/runc", Some(Runtime::Go)),
            ("/bin/sh", None),
        ];
        for (path, expected) in known {
            let Ok(file) = File::open(path) else { continue };
            let found = go_build(file, READ).as_deref().and_then(Found::go);
            assert_eq!(found.map(|found| found.runtime), expected, "{path}");
        }
    }

    /// The same for what runs, where it is installed.
    #[test]
    fn real_processes_are_recognised() {
        let script = ["-e", "setTimeout(() => {}, 60000)"];
        let Ok(mut child) = Command::new("node").args(script).spawn() else {
            return;
        };
        let found = Runtimes::default().of_process(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, Some(Found::new(Runtime::Node)));
    }

    #[test]
    fn an_executable_is_read_once_and_its_libraries_again() {
        let pid = std::process::id();
        let mut runtimes = Runtimes::default();
        assert_eq!(runtimes.of_process(pid), None, "this one is in Rust");
        assert_eq!(runtimes.known.len(), 1);
        // What is remembered counts from now on.
        let java = Found::new(Runtime::Java);
        for told in runtimes.known.values_mut() {
            *told = Some(java.clone());
        }
        assert_eq!(runtimes.of_process(pid), Some(java.clone()));
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(dir.path().join("cgroup.procs"), format!("{pid}\n")).unwrap();
        fs::write(inner.join("cgroup.procs"), format!("{pid}\n999999999\n")).unwrap();
        assert_eq!(runtimes.of(dir.path()), BTreeMap::from([(java, 2)]));
        assert!(runtimes.of(&dir.path().join("gone")).is_empty());
    }
}
