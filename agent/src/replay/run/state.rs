//! Scores of what is done, on disk, so that a run that was broken off goes on where it was.
//!
//! A line per node and policy: the checksum of what follows, a blank, and its workloads' scores as JSON under a key made
//! of the program, the options, the series and the policy. Lines are appended; one that is damaged, or torn at
//! the end, is as if it were not there.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use trimtab_core::score::Score;

use super::super::digest::Digest;
use super::{options::Options, pack::Pack, policy::Policy};

/// Scores that are kept on disk.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    file: File,
    known: HashMap<u64, Vec<Score>>,
    /// Of the program.
    program: Digest,
    damaged: u64,
}

/// The state cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("{call} {path}: {source}")]
pub struct StateError {
    /// What it was asked for.
    pub call: &'static str,
    /// For which file.
    pub path: PathBuf,
    /// What it says.
    pub source: io::Error,
}

/// What a line says.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: u64,
    scores: Vec<Score>,
}

impl State {
    /// Opens a state file and reads what is done; makes it where there is none.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |call, path: &Path, source| StateError {
            call,
            path: path.to_owned(),
            source,
        };
        let program = Path::new("/proc/self/exe");
        let program = digest_of(program).map_err(|error| failed("read", program, error))?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| failed("open", path, error))?;
        let (known, damaged) = read(&mut file).map_err(|error| failed("read", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            known,
            program,
            damaged,
        })
    }

    /// How many runs there are scores of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Lines that were damaged or torn.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Under what the scores of a node and a policy are kept.
    pub(super) fn key(&self, pack: &Pack, policy: &Policy, options: &Options) -> u64 {
        let rules = options.rules;
        let series = self
            .program
            .number(rules.window.0)
            .number(rules.objective.0)
            .number(pack.digest);
        policy.digest(series).mixed()
    }

    pub(super) fn get(&self, key: u64) -> Option<&Vec<Score>> {
        self.known.get(&key)
    }

    /// Keeps scores.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn put(&mut self, key: u64, scores: &[Score]) -> Result<(), StateError> {
        let failed = |source| StateError {
            call: "write",
            path: self.path.clone(),
            source,
        };
        let scores = scores.to_vec();
        let json = serde_json::to_string(&Line { key, scores }).map_err(io::Error::from);
        let json = json.map_err(failed)?;
        let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        self.file.write_all(line.as_bytes()).map_err(failed)
    }
}

/// What is done, and how many lines were damaged. What is torn at the end is cut off.
fn read(file: &mut File) -> io::Result<(HashMap<u64, Vec<Score>>, u64)> {
    let (mut known, mut damaged, mut whole) = (HashMap::new(), 0, 0);
    let mut reader = BufReader::new(&mut *file);
    reader.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let Some(text) = line.strip_suffix(b"\n") else {
            damaged += 1;
            break;
        };
        whole += line.len() as u64;
        match parse(text) {
            Some(Line { key, scores }) => drop(known.insert(key, scores)),
            None => damaged += 1,
        }
        line.clear();
    }
    file.set_len(whole)?;
    Ok((known, damaged))
}

fn parse(line: &[u8]) -> Option<Line> {
    let (checksum, json) = line.split_at_checked(9)?;
    let checksum = std::str::from_utf8(checksum.strip_suffix(b" ")?).ok()?;
    let checksum = u32::from_str_radix(checksum, 16).ok()?;
    (checksum == crc32fast::hash(json))
        .then(|| serde_json::from_slice(json).ok())
        .flatten()
}

/// Another build of the program may decide otherwise, whatever its version says.
fn digest_of(program: &Path) -> io::Result<Digest> {
    let mut file = File::open(program)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
    let digest = Digest::seeded(0).text(env!("CARGO_PKG_VERSION"));
    Ok(digest.number(length).number(hasher.finalize().into()))
}
