//! Hears of writes to limit files, ours or anybody's, through `inotify`.
//!
//! The kernel reports every `write(2)` to a watched cgroup file (`fsnotify_modify` in
//! `fs/read_write.c`), so that a foreign limit need not wait for the next tick to be found. Where
//! no watch can be had (`fs.inotify.max_user_watches`), it does. Changes that the kernel makes by
//! itself are not reported.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::Path,
};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use trimtab_core::signal::{Resource, Slot};

/// Room for 256 events, none of which carries a name.
const ROOM: usize = 4096;

/// Watches on limit files.
#[derive(Debug)]
pub struct LimitWrites {
    inotify: OwnedFd,
    watched: HashMap<i32, (Slot, Resource)>,
}

impl LimitWrites {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// `inotify_init1(2)` failed: too many instances, or no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            watched: HashMap::new(),
        })
    }

    /// Watches a file that limits a resource of a workload.
    ///
    /// # Errors
    /// `inotify_add_watch(2)` failed: the group has gone, or there are too many watches.
    pub fn watch(&mut self, slot: Slot, resource: Resource, file: &Path) -> io::Result<()> {
        let watch = inotify::add_watch(&self.inotify, file, WatchFlags::MODIFY)?;
        self.watched.insert(watch, (slot, resource));
        Ok(())
    }

    /// Watches a workload no more.
    pub fn forget(&mut self, slot: Slot) {
        let inotify = &self.inotify;
        self.watched.retain(|watch, (of, _)| {
            if *of == slot {
                // The kernel has removed it already when the group has gone.
                let _ = inotify::remove_watch(inotify, *watch);
            }
            *of != slot
        });
    }

    /// Whose limits have been written since the last call. What the kernel's queue could not hold
    /// is missing: the next tick reads every limit.
    pub fn take(&mut self) -> BTreeSet<(Slot, Resource)> {
        let mut written = BTreeSet::new();
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut reader = inotify::Reader::new(&self.inotify, &mut room);
        // It ends with WOULDBLOCK.
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::IGNORED) {
                self.watched.remove(&event.wd());
            } else {
                written.extend(self.watched.get(&event.wd()).copied());
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn writes_are_heard_of_until_a_workload_is_forgotten() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let [cpu, high, max] = ["cpu.max", "memory.high", "memory.max"].map(|n| dir.path().join(n));
        for file in [&cpu, &high, &max] {
            fs::write(file, "max")?;
        }
        let mut writes = LimitWrites::new()?;
        writes.watch(Slot(7), Resource::Cpu, &cpu)?;
        for file in [&high, &max] {
            writes.watch(Slot(7), Resource::Memory, file)?;
        }
        assert_eq!(writes.take(), BTreeSet::new());
        for _ in 0..2 {
            fs::write(&max, "1")?;
        }
        assert_eq!(writes.take(), BTreeSet::from([(Slot(7), Resource::Memory)]));
        fs::write(&cpu, "1")?;
        fs::remove_file(&high)?;
        assert_eq!(writes.take(), BTreeSet::from([(Slot(7), Resource::Cpu)]));
        writes.forget(Slot(7));
        fs::write(&cpu, "2")?;
        assert_eq!(writes.take(), BTreeSet::new());
        assert!(writes.watched.is_empty());
        Ok(())
    }

    #[test]
    fn a_group_that_has_gone_cannot_be_watched() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let mut writes = LimitWrites::new()?;
        let watched = writes.watch(Slot(0), Resource::Cpu, &dir.path().join("cpu.max"));
        assert_eq!(
            watched.map_err(|error| error.kind()),
            Err(io::ErrorKind::NotFound)
        );
        Ok(())
    }
}
