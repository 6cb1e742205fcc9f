//! Tells the kernel which groups to raise events for.

use std::io;

use aya::{
    Pod,
    maps::{HashMap, IterableMap as _, Map, MapData, MapError},
};
use trimtab_core::signal::Resource;
use trimtab_ebpf::Watch;

use super::{
    Error,
    load::{duplicate, map_error},
};

/// The watch map of a resource: each has its own, since on cgroup v1 each resource has its own
/// hierarchy with its own inode numbers.
const fn name_of(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "CPU_WATCH",
        Resource::Memory => "MEMORY_WATCH",
    }
}

/// The two watch maps. Every method is one or two system calls and allocates nothing, so the fast
/// thread may call them; [`Watches::try_clone`] gives another thread its own handle.
pub struct Watches {
    cpu: HashMap<MapData, u64, Entry>,
    memory: HashMap<MapData, u64, Entry>,
    max: u32,
}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Entry(Watch);

// SAFETY: `Watch` is `repr(C)`, plain integers, without padding.
unsafe impl Pod for Entry {}

impl Watches {
    pub(super) fn new(cpu: Map, memory: Map, max: u32) -> Result<Self, Error> {
        Ok(Self {
            cpu: HashMap::try_from(cpu)
                .map_err(|source| map_error("CPU_WATCH", "open", 0, source))?,
            memory: HashMap::try_from(memory)
                .map_err(|source| map_error("MEMORY_WATCH", "open", 0, source))?,
            max,
        })
    }

    /// Another handle on the same maps.
    ///
    /// # Errors
    /// When the file descriptors cannot be duplicated.
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::new(
            duplicate("CPU_WATCH", self.cpu.map())?,
            duplicate("MEMORY_WATCH", self.memory.map())?,
            self.max,
        )
    }

    /// Watches the group `id` (the inode of its directory in the controller's hierarchy) under
    /// `slot`. `usual` is in ns of CPU per period, or in bytes: see [`Watch::usual`]. An entry
    /// that is there keeps what the kernel has noted in it, and whether it is muted.
    ///
    /// # Errors
    /// [`Error::Full`], or the system call's error.
    pub fn set(&mut self, resource: Resource, id: u64, slot: u32, usual: u64) -> Result<(), Error> {
        let watch = self.get(resource, id)?.unwrap_or_default();
        self.put(
            resource,
            id,
            Watch {
                slot,
                usual,
                ..watch
            },
        )
    }

    /// Stops (or resumes) the events of a watched group without forgetting it. `false` when the
    /// group is not watched.
    ///
    /// # Errors
    /// The system call's error.
    pub fn mute(&mut self, resource: Resource, id: u64, muted: bool) -> Result<bool, Error> {
        self.change(resource, id, |watch| watch.muted = u32::from(muted))
    }

    /// Sets [`Watch::usual`] and [`Watch::own`] of a watched group. `false` when the group is not
    /// watched.
    ///
    /// # Errors
    /// The system call's error.
    pub fn set_thresholds(
        &mut self,
        resource: Resource,
        id: u64,
        usual: u64,
        own: u64,
    ) -> Result<bool, Error> {
        self.change(resource, id, |watch| {
            (watch.usual, watch.own) = (usual, own);
        })
    }

    /// Reads [`Watch::peak`] (ns of CPU in the busiest period since the last call) and starts it
    /// anew. `None` when the group is not watched.
    ///
    /// # Errors
    /// The system call's error.
    pub fn take_peak(&mut self, id: u64) -> Result<Option<u64>, Error> {
        let mut peak = 0;
        let watched = self.change(Resource::Cpu, id, |watch| {
            peak = std::mem::take(&mut watch.peak);
        })?;
        Ok(watched.then_some(peak))
    }

    /// Forgets a group. `false` when it was not watched.
    ///
    /// # Errors
    /// The system call's error.
    pub fn remove(&mut self, resource: Resource, id: u64) -> Result<bool, Error> {
        match self.map_mut(resource).remove(&id) {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(source) => Err(map_error(name_of(resource), "delete", id, source)),
        }
    }

    /// The entry as the kernel holds it; `None` when the group is not watched.
    ///
    /// # Errors
    /// The system call's error.
    pub fn get(&self, resource: Resource, id: u64) -> Result<Option<Watch>, Error> {
        let map = match resource {
            Resource::Cpu => &self.cpu,
            Resource::Memory => &self.memory,
        };
        match map.get(&id, 0) {
            Ok(Entry(watch)) => Ok(Some(watch)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(map_error(name_of(resource), "lookup", id, source)),
        }
    }

    /// The ids of all groups that are watched, in no order.
    ///
    /// # Errors
    /// The system call's error.
    pub fn ids(&self, resource: Resource) -> Result<Vec<u64>, Error> {
        let map = match resource {
            Resource::Cpu => &self.cpu,
            Resource::Memory => &self.memory,
        };
        map.keys()
            .collect::<Result<_, _>>()
            .map_err(|source| map_error(name_of(resource), "iterate", 0, source))
    }

    /// What the kernel notes between the read and the write is lost: at worst one event more.
    fn change(
        &mut self,
        resource: Resource,
        id: u64,
        change: impl FnOnce(&mut Watch),
    ) -> Result<bool, Error> {
        let Some(mut watch) = self.get(resource, id)? else {
            return Ok(false);
        };
        change(&mut watch);
        self.put(resource, id, watch).map(|()| true)
    }

    fn put(&mut self, resource: Resource, id: u64, watch: Watch) -> Result<(), Error> {
        let max = self.max;
        self.map_mut(resource)
            .insert(id, Entry(watch), 0)
            .map_err(|source| {
                if is_full(&source) {
                    Error::Full {
                        map: name_of(resource),
                        max,
                    }
                } else {
                    map_error(name_of(resource), "update", id, source)
                }
            })
    }

    fn map_mut(&mut self, resource: Resource) -> &mut HashMap<MapData, u64, Entry> {
        match resource {
            Resource::Cpu => &mut self.cpu,
            Resource::Memory => &mut self.memory,
        }
    }
}

fn is_absent(error: &MapError) -> bool {
    match error {
        MapError::KeyNotFound | MapError::ElementNotFound => true,
        MapError::SyscallError(error) => error.io_error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn is_full(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::E2BIG))
}
