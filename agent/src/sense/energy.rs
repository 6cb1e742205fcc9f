//! What processors and memory draw, by RAPL's counters in powercap (`Documentation/power/powercap`).
//!
//! One domain per package and, on servers, one per package's memory; what a package contains (its
//! cores, its graphics) is in its number already, and so is left out. AMD's counters have the same
//! files. Since 5.10 only root may read them; most virtual machines have none.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use trimtab_core::{model::energy::Counter, signal::Nanos};

use super::file::{KeptFile, Scratch, SenseError, Sight, single};

/// Domains are looked for afresh after so many readings.
const RESCAN: u32 = 60;
/// Domains of this control type only: others show the same packages once more (`intel-rapl-mmio`).
const DOMAIN: &str = "intel-rapl:";

/// What a domain measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Package,
    Memory,
}

/// One counter.
#[derive(Debug)]
struct Domain {
    directory: PathBuf,
    kind: Kind,
    file: KeptFile,
    counter: Counter,
}

/// How the counters stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are read.
    Here,
    /// There are none.
    None(String),
    /// They are there, and none can be read.
    Refused(String),
}

/// What was drawn between two readings, in microjoules; `None` where one of the counters of that
/// kind does not tell, or there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// By all packages.
    pub packages: Option<u64>,
    /// By all memory that has counters.
    pub memory: Option<u64>,
}

/// The node's counters of energy, open as long as they are there.
#[derive(Debug)]
pub struct Energy {
    root: PathBuf,
    domains: Vec<Domain>,
    standing: Standing,
    readings: u32,
    changed: bool,
}

impl Energy {
    /// Looks for the counters below `root`, which is `/sys/class/powercap`.
    #[must_use]
    pub fn open(root: &Path) -> Self {
        let mut energy = Self {
            root: root.to_owned(),
            domains: Vec::new(),
            standing: Standing::Here,
            readings: 0,
            changed: false,
        };
        energy.scan();
        energy
    }

    /// How the counters stand.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// How many packages are read.
    #[must_use]
    pub fn packages(&self) -> usize {
        let is_package = |domain: &&Domain| domain.kind == Kind::Package;
        self.domains.iter().filter(is_package).count()
    }

    /// Whether domains have come or gone since the last call: what was drawn then is no measure of
    /// what is drawn now.
    pub const fn has_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// What was drawn since the last call.
    pub fn read(&mut self, now: Nanos, scratch: &mut Scratch) -> Drawn {
        self.readings += 1;
        if self.readings >= RESCAN {
            self.scan();
        }
        let mut sums = [Some(0), Some(0)];
        let mut seen = [false; 2];
        let mut lost = false;
        for domain in &mut self.domains {
            let value = match domain.file.parse(scratch, single) {
                Ok(Sight::Here(value)) => domain.counter.push(now, value),
                Ok(Sight::Gone) => {
                    lost = true;
                    None
                }
                Err(error) => {
                    tracing::debug!(%error, "a counter of energy cannot be read");
                    lost = true;
                    None
                }
            };
            let place = usize::from(domain.kind == Kind::Memory);
            seen[place] = true;
            let sum: Option<u64> = sums[place];
            sums[place] = sum.zip(value).map(|(sum, value)| sum.saturating_add(value));
        }
        if lost {
            self.scan();
        }
        let of = |place: usize| sums[place].filter(|_| seen[place]);
        Drawn {
            packages: of(0),
            memory: of(1),
        }
    }

    /// Finds the domains that are there; those that are known go on.
    fn scan(&mut self) {
        self.readings = 0;
        let before = std::mem::take(&mut self.domains);
        let known = before.len();
        let mut kept = 0;
        let mut refused = None;
        let mut before = before;
        for directory in directories(&self.root) {
            // What does not answer any more is opened afresh, and is gone if that fails.
            let old = before
                .iter()
                .position(|domain| domain.directory == directory)
                .map(|place| before.swap_remove(place))
                .filter(|domain| answers(&domain.file));
            if let Some(domain) = old {
                kept += 1;
                self.domains.push(domain);
                continue;
            }
            match open(directory) {
                Ok(Some(domain)) => self.domains.push(domain),
                Ok(None) => {}
                Err(error) => refused = Some(error.to_string()),
            }
        }
        self.changed |= known != kept || self.domains.len() != kept;
        self.standing = match (self.domains.is_empty(), refused) {
            (false, _) => Standing::Here,
            (true, Some(why)) => Standing::Refused(why),
            (true, None) => Standing::None(format!(
                "no counters of energy (RAPL) in {}",
                self.root.display()
            )),
        };
    }
}

/// Whether a file that was kept open still has a number in it.
fn answers(file: &KeptFile) -> bool {
    let mut buffer = [0; 32];
    matches!(file.read(&mut buffer), Ok(Sight::Here(text)) if single(text).is_some())
}

/// Where domains are, in the order of their names.
fn directories(root: &Path) -> Vec<PathBuf> {
    let is_domain = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(DOMAIN));
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| is_domain(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    found.sort_unstable();
    found
}

/// Opens a domain; `None` for one that is part of another, or is going away.
fn open(directory: PathBuf) -> Result<Option<Domain>, SenseError> {
    let name = text(&directory.join("name"))?;
    let kind = match name.as_deref() {
        Some(name) if name.starts_with("package") => Kind::Package,
        Some("dram") => Kind::Memory,
        _ => return Ok(None),
    };
    let range = directory.join("max_energy_range_uj");
    let range = text(&range)?.and_then(|text| single(text.as_bytes()));
    let file = match KeptFile::open(&directory.join("energy_uj")) {
        Ok(file) => file,
        Err(error) if error.means_gone() => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Domain {
        counter: Counter::new(range.unwrap_or(u64::MAX)),
        directory,
        kind,
        file,
    }))
}

/// A small file's text; `None` when it is gone.
fn text(path: &Path) -> Result<Option<String>, SenseError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SenseError::Io {
            path: path.to_owned(),
            syscall: "read",
            source,
        }),
    }
}

/// A tree with powercap's layout, written by the test: a fake, since few hosts have the real one,
/// and on none can its counters be set.
#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: u64 = 262_143_328_850;

    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn set(&self, domain: &str, name: &str, value: u64) {
            let directory = self.0.path().join(domain);
            fs::create_dir_all(&directory).unwrap();
            let range = RANGE.to_string();
            for (file, text) in [
                ("name", name),
                ("max_energy_range_uj", &range),
                ("energy_uj", &value.to_string()),
            ] {
                fs::write(directory.join(file), format!("{text}\n")).unwrap();
            }
        }

        fn package(&self, index: u32, value: u64) {
            let name = format!("package-{index}");
            self.set(&format!("intel-rapl:{index}"), &name, value);
        }

        fn open(&self) -> Energy {
            Energy::open(self.0.path())
        }
    }

    fn read(energy: &mut Energy, second: u64) -> Drawn {
        energy.read(Nanos(second * Nanos::SECOND.0), &mut Scratch::new())
    }

    fn drawn(packages: Option<u64>, memory: Option<u64>) -> Drawn {
        Drawn { packages, memory }
    }

    #[test]
    fn eight_sockets_with_memory_add_up() {
        let fake = Fake::new();
        let set = |value: u64| {
            for index in 0..8 {
                fake.package(index, value * u64::from(index + 1));
                let parts = [("dram", 10 * value), ("core", 7), ("uncore", 7)];
                for (number, (name, value)) in parts.into_iter().enumerate() {
                    fake.set(&format!("intel-rapl:{index}:{number}"), name, value);
                }
            }
            // The same packages by another road, and the whole platform.
            fake.set("intel-rapl-mmio:0", "package-0", 99 * value);
            fake.set("intel-rapl:8", "psys", 99 * value);
        };
        set(1_000_000);
        let mut energy = fake.open();
        assert_eq!((energy.standing(), energy.packages()), (&Standing::Here, 8));
        assert_eq!(
            read(&mut energy, 1),
            drawn(None, None),
            "nothing to compare"
        );
        set(3_000_000);
        let both = drawn(Some(36 * 2_000_000), Some(8 * 20_000_000));
        assert_eq!(read(&mut energy, 2), both);
    }

    #[test]
    fn a_counter_may_wrap_around_and_may_go_backwards() {
        let fake = Fake::new();
        fake.package(0, RANGE - 1_000_000);
        let mut energy = fake.open();
        read(&mut energy, 1);
        fake.package(0, 4_000_000);
        assert_eq!(read(&mut energy, 2), drawn(Some(5_000_000), None));
        fake.package(0, 1_000_000);
        assert_eq!(read(&mut energy, 3), drawn(None, None), "set back");
        fake.package(0, 3_000_000);
        assert_eq!(read(&mut energy, 4), drawn(Some(2_000_000), None));
    }

    #[test]
    fn a_domain_that_disappears_is_left_out_and_one_that_comes_is_taken_up() {
        let fake = Fake::new();
        for index in [0, 1] {
            fake.package(index, 0);
        }
        let mut energy = fake.open();
        assert!(energy.has_changed() && !energy.has_changed());
        read(&mut energy, 1);
        // An open file outlives its name; that of a driver that is gone has nothing in it.
        fs::write(fake.0.path().join("intel-rapl:1/energy_uj"), "").unwrap();
        fs::remove_dir_all(fake.0.path().join("intel-rapl:1")).unwrap();
        fake.package(0, 1_000_000);
        assert_eq!(read(&mut energy, 2), drawn(None, None), "half of it");
        assert_eq!(energy.packages(), 1);
        assert!(energy.has_changed());
        fake.package(0, 3_000_000);
        assert_eq!(read(&mut energy, 3), drawn(Some(2_000_000), None));
        fake.package(1, 0);
        for second in 4..=3 + u64::from(RESCAN) {
            read(&mut energy, second);
        }
        assert_eq!((energy.packages(), energy.has_changed()), (2, true));
        fake.package(1, 5_000_000);
        assert_eq!(read(&mut energy, 100), drawn(Some(5_000_000), None));
    }

    #[test]
    fn without_counters_there_are_none() {
        let fake = Fake::new();
        fake.set("dtpm", "package-0", 1);
        let mut energy = fake.open();
        assert!(matches!(energy.standing(), Standing::None(why) if why.contains("RAPL")));
        assert_eq!(read(&mut energy, 1), Drawn::default());
        let nowhere = Energy::open(&fake.0.path().join("nowhere"));
        assert!(matches!(nowhere.standing(), Standing::None(_)));
    }

    #[test]
    fn who_may_not_read_is_told_so() {
        use std::os::unix::fs::PermissionsExt as _;
        let fake = Fake::new();
        fake.package(0, 1);
        let root = fake.0.path().to_owned();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&root, 0o755);
        mode(&root.join("intel-rapl:0/energy_uj"), 0o000);
        // The rights of root are taken from one thread, and go with it.
        let standing = std::thread::spawn(move || {
            // SAFETY: a system call on integers, whose effect is this thread's alone.
            unsafe { libc::setfsuid(65_534) };
            Energy::open(&root).standing
        });
        let standing = standing.join().unwrap();
        assert!(
            matches!(&standing, Standing::Refused(why) if why.contains("energy_uj")),
            "{standing:?}"
        );
    }
}
