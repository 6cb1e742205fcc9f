//! Pressure stall information: of the node, and of a group in the v2 tree.

use std::os::fd::BorrowedFd;
use std::path::Path;

use super::file::{KeptFile, Scratch, SenseError, Sight, number};

/// What tasks stall on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pressure {
    /// Waiting for a CPU.
    Cpu,
    /// Reclaim, refaults, swap.
    Memory,
    /// Waiting for a disk.
    Io,
}

impl Pressure {
    /// All, in the order of their indices.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Io];

    /// The kernel's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
        }
    }
}

/// Stalled time since boot or since the group was made, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// Time in which at least one task stalled.
    pub some_us: u64,
    /// The part of the last 10 s in which at least one task stalled, in hundredths of a percent;
    /// the kernel lets older seconds fade.
    pub some_avg10_bp: u32,
    /// Time in which all tasks stalled; 0 where the kernel does not say.
    pub full_us: u64,
    /// The part of the last 10 s in which all tasks stalled, in hundredths of a percent.
    pub full_avg10_bp: u32,
}

/// The three pressures of a group or of the node; `None` where the kernel has no such file or
/// PSI is switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Psi {
    /// Waiting for a CPU.
    pub cpu: Option<Stalls>,
    /// Reclaim, refaults, swap.
    pub memory: Option<Stalls>,
    /// Waiting for a disk.
    pub io: Option<Stalls>,
}

/// A pressure file: the totals, of which an average over any window can be made, and the one
/// average that is shown to people.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Stalls> {
    let mut stalls = Stalls::default();
    let mut seen = false;
    for line in text.split(|byte| *byte == b'\n') {
        let value = |name: &[u8]| {
            let mut words = line.split(|byte| *byte == b' ');
            words.find_map(|word| word.strip_prefix(name))
        };
        if line.starts_with(b"some ") {
            stalls.some_us = number(value(b"total=")?)?;
            stalls.some_avg10_bp = hundredths(value(b"avg10=")?)?;
            seen = true;
        } else if line.starts_with(b"full ") {
            stalls.full_us = number(value(b"total=")?)?;
            stalls.full_avg10_bp = hundredths(value(b"avg10=")?)?;
        }
    }
    seen.then_some(stalls)
}

/// A number with two decimals, as `100.00`, in hundredths.
fn hundredths(text: &[u8]) -> Option<u32> {
    let (whole, [b'.', decimals @ ..]) = text.split_at_checked(text.len().checked_sub(3)?)? else {
        return None;
    };
    let value = number(whole)?.checked_mul(100)?;
    u32::try_from(value.checked_add(number(decimals)?)?).ok()
}

/// The descriptors of three pressure files.
#[derive(Debug)]
pub struct PsiReader {
    files: [Option<KeptFile>; 3],
}

impl PsiReader {
    /// Opens `cpu.pressure`, `memory.pressure` and `io.pressure` of a group in the v2 tree.
    ///
    /// # Errors
    /// A file is there but cannot be opened.
    pub fn group(dir: BorrowedFd<'_>, dir_path: &Path) -> Result<Self, SenseError> {
        let open = |pressure: Pressure| {
            let name = format!("{}.pressure", pressure.name());
            KeptFile::open_in(dir, dir_path, &name)
        };
        Ok(Self {
            files: [
                open(Pressure::Cpu)?,
                open(Pressure::Memory)?,
                open(Pressure::Io)?,
            ],
        })
    }

    /// Opens `/proc/pressure`.
    #[must_use]
    pub fn node() -> Self {
        let open = |pressure: Pressure| {
            let file = KeptFile::open(&Path::new("/proc/pressure").join(pressure.name())).ok()?;
            // Compiled in but switched off at boot, the files open and every read is refused.
            file.read(&mut [0; 512]).ok().map(|_| file)
        };
        Self {
            files: Pressure::ALL.map(open),
        }
    }

    /// Closes its files until they are read again.
    pub fn rest(&mut self) {
        self.files.iter_mut().flatten().for_each(KeptFile::close);
    }

    /// Whether any pressure can be read.
    #[must_use]
    pub fn any(&self) -> bool {
        self.files.iter().any(Option::is_some)
    }

    /// Reads what is stalled on memory alone, for whoever looks each tick; `None` where there is no such file
    /// or it cannot be read any more.
    #[must_use]
    pub fn memory(&self, scratch: &mut Scratch) -> Option<Stalls> {
        let file = self.files[1].as_ref()?;
        file.parse(scratch, parse).ok()?.here()
    }

    /// Reads all three. A file that can no longer be read (pressure switched off for the group)
    /// counts as absent.
    ///
    /// # Errors
    /// A file could be read but makes no sense.
    pub fn read(&self, scratch: &mut Scratch) -> Result<Sight<Psi>, SenseError> {
        let mut values = [None; 3];
        for (value, file) in values.iter_mut().zip(&self.files) {
            let Some(file) = file else { continue };
            match file.parse(scratch, parse) {
                Ok(Sight::Here(stalls)) => *value = Some(stalls),
                Ok(Sight::Gone) => return Ok(Sight::Gone),
                Err(SenseError::Io { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let [cpu, memory, io] = values;
        Ok(Sight::Here(Psi { cpu, memory, io }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"some avg10=12.34 avg60=0.12 avg300=0.05 total=1234567\n\
        full avg10=5.67 avg60=0.00 avg300=0.00 total=765\n";

    #[test]
    fn totals() {
        assert_eq!(
            parse(TEXT),
            Some(Stalls {
                some_us: 1_234_567,
                some_avg10_bp: 1_234,
                full_us: 765,
                full_avg10_bp: 567
            })
        );
        let only_some = b"some avg10=100.00 avg60=0.00 avg300=0.00 total=9\n";
        assert_eq!(
            parse(only_some),
            Some(Stalls {
                some_us: 9,
                some_avg10_bp: 10_000,
                full_us: 0,
                full_avg10_bp: 0
            }),
            "before 5.13 cpu had no full"
        );
    }

    #[test]
    fn damage_is_refused() {
        for text in [
            &b""[..],
            b"some",
            b"some avg10=0.00\n",
            b"some total=\n",
            b"some total=1\n",
            b"some avg10=0.00 total=1x\n",
            b"some avg10=1.5 total=1\n",
            b"some avg10=x.00 total=1\n",
            b"some avg10=99999999.00 total=1\n",
            b"full total=1\n",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        for length in 0..TEXT.len() {
            let _ = parse(&TEXT[..length]);
        }
    }

    #[test]
    fn node_pressure_never_goes_backwards() {
        let reader = PsiReader::node();
        if !reader.any() {
            eprintln!("SKIP: this kernel keeps no pressure information");
            return;
        }
        let mut scratch = Scratch::new();
        let first = reader
            .read(&mut scratch)
            .unwrap()
            .here()
            .unwrap()
            .cpu
            .unwrap();
        let second = reader
            .read(&mut scratch)
            .unwrap()
            .here()
            .unwrap()
            .cpu
            .unwrap();
        assert!(second.some_us >= first.some_us);
    }
}
