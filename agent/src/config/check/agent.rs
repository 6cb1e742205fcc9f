//! `[agent]`, `[fast]`, `[probes]`, `[gpu]`, `[energy]` and `[anomalies]`.

use std::path::PathBuf;

use serde_spanned::Spanned;
use trimtab_core::{decide::Settings, signal::Nanos};

use super::Checker;
use crate::config::{
    raw::{self, Key},
    report::instead_of,
    schema::{Agent, Anomalies, Budget, Energy, Fast, Gpu, Probes, Room, Scheduling},
    units::{Memory, Share},
};
use crate::probe::Probe;

/// Bounds of `tick`: below, the slow loop would be the load; above, its twin would come too late.
const TICK: (Nanos, Nanos) = (Nanos(100_000_000), Nanos::MINUTE);

/// Bounds of `ring_size`, in bytes: a page to 64 MiB.
const RING: (u64, u64) = (4096, 64 << 20);

/// One day.
const DAY: Nanos = Nanos(24 * 60 * Nanos::MINUTE.0);

impl Checker<'_> {
    pub(super) fn agent(&mut self, raw: raw::Agent) -> Agent {
        let default = Agent::default();
        Agent {
            socket: self.path(raw.socket, "socket", default.socket),
            runtime_directory: self.path(
                raw.runtime_directory,
                "runtime_directory",
                default.runtime_directory,
            ),
            tick: self.duration(raw.tick.as_ref(), "tick", TICK.0..=TICK.1, default.tick),
            exclude: self.selector(raw.exclude.as_deref().unwrap_or_default()),
            settings: Settings {
                reserve: self.reserve(&raw.reserve, default.settings.reserve),
                ..self.foreign(&raw.foreign, default.settings)
            },
            budget: self.budget(&raw.budget, default.budget),
            room: self.room(&raw.room, default.room),
        }
    }

    pub(super) fn path(&mut self, key: Key<PathBuf>, name: &str, default: PathBuf) -> PathBuf {
        let Some(key) = key else { return default };
        if key.get_ref().is_absolute() {
            return key.into_inner();
        }
        self.wrong(
            key.span(),
            format!("`{name}` is no absolute path"),
            format!("write it from the root, such as \"{}\"", default.display()),
        );
        default
    }

    fn reserve(&mut self, raw: &raw::Reserve, [cpu, memory]: [Share; 2]) -> [Share; 2] {
        [
            raw.cpu
                .as_ref()
                .map_or(cpu, |key| self.reserved(key, key.get_ref().0)),
            raw.memory
                .as_ref()
                .map_or(memory, |key| self.reserved(key, key.get_ref().0)),
        ]
    }

    /// With everything in reserve nothing could ever be lent.
    fn reserved<T>(&mut self, key: &Spanned<T>, share: Share) -> Share {
        if matches!(share, Share::OfNode(10_000..)) {
            self.wrong(
                key.span(),
                "a reserve of the whole node leaves nothing to lend",
                "write less than 100%; to write no limits at all, leave policies in mode \"recommend\"",
            );
        }
        share
    }

    fn budget(&mut self, raw: &raw::Budget, default: Budget) -> Budget {
        Budget {
            cpu: raw.cpu.as_ref().map_or(default.cpu, |key| key.get_ref().0),
            memory: raw
                .memory
                .as_ref()
                .map_or(default.memory, |key| key.get_ref().0),
            patience: self.duration(
                raw.patience.as_ref(),
                "patience",
                Nanos::SECOND..=Nanos(60 * Nanos::MINUTE.0),
                default.patience,
            ),
        }
    }

    fn room(&mut self, raw: &raw::Room, default: Room) -> Room {
        let workloads = self.whole(
            raw.workloads.as_ref(),
            "workloads",
            1..=Room::WORKLOADS,
            default.workloads,
        );
        let histograms = self.whole(
            raw.histograms.as_ref(),
            "histograms",
            1..=Room::WORKLOADS,
            default.histograms.min(workloads),
        );
        if let Some(key) = &raw.histograms
            && histograms > workloads
        {
            self.wrong(
                key.span(),
                format!("{histograms} histograms are more than the {workloads} workloads that there is room for"),
                format!("write at most {workloads}, or raise `workloads`"),
            );
        }
        Room {
            workloads,
            histograms,
        }
    }

    fn foreign(&mut self, raw: &raw::Foreign, default: Settings<Share>) -> Settings<Share> {
        let settings = Settings {
            newborn: self.duration(
                raw.newborn.as_ref(),
                "newborn",
                Nanos(0)..=DAY,
                default.newborn,
            ),
            foreign_backoff: self.duration(
                raw.backoff.as_ref(),
                "backoff",
                Nanos::SECOND..=DAY,
                default.foreign_backoff,
            ),
            foreign_writes: self.whole(
                raw.writes.as_ref(),
                "writes",
                1..=1000,
                default.foreign_writes,
            ),
            foreign_window: self.duration(
                raw.window.as_ref(),
                "window",
                Nanos::SECOND..=DAY,
                default.foreign_window,
            ),
            ..default
        };
        if settings.foreign_window < settings.foreign_backoff
            && let Some(key) = raw
                .window
                .as_ref()
                .map(Spanned::span)
                .or(raw.backoff.as_ref().map(Spanned::span))
        {
            self.wrong(
                key,
                "`window` is shorter than `backoff`, so that foreign writes would never be counted together",
                "make `window` at least `writes` times as long as `backoff`",
            );
        }
        settings
    }

    pub(super) fn probes(&mut self, raw: raw::Probes) -> Probes {
        let mut off = Vec::new();
        for name in raw.off.unwrap_or_default() {
            match Probe::ALL
                .into_iter()
                .find(|probe| probe.name() == name.get_ref())
            {
                Some(probe) => off.push(probe),
                None => self.wrong(
                    name.span(),
                    format!("there is no probe `{}`", name.get_ref()),
                    instead_of(name.get_ref(), &Probe::ALL.map(Probe::name)),
                ),
            }
        }
        Probes { off }
    }

    pub(super) fn gpu(&mut self, raw: raw::Gpu) -> Gpu {
        let default = Gpu::default();
        Gpu {
            enabled: raw.enabled.map_or(default.enabled, Spanned::into_inner),
            library: self.library(raw.library, default.library),
        }
    }

    pub(super) fn energy(&mut self, raw: raw::Energy) -> Energy {
        let default = Energy::default();
        Energy {
            enabled: raw.enabled.map_or(default.enabled, Spanned::into_inner),
            powercap: self.path(raw.powercap, "powercap", default.powercap),
        }
    }

    /// A bare name is looked for where libraries are; what a relative path means, nobody knows.
    fn library(&mut self, key: Key<PathBuf>, default: PathBuf) -> PathBuf {
        let Some(key) = key else { return default };
        let path = key.get_ref();
        if path.is_absolute() || path.file_name() == Some(path.as_os_str()) {
            return key.into_inner();
        }
        self.wrong(
            key.span(),
            "`library` is neither a bare name nor an absolute path",
            format!("write \"{}\", or the path from the root", default.display()),
        );
        default
    }

    pub(super) fn fast(&mut self, raw: raw::Fast) -> Fast {
        let default = Fast::default();
        let scheduling = raw
            .scheduling
            .as_ref()
            .map_or(default.scheduling, |key| *key.get_ref());
        let priority = self.whole(
            raw.priority.as_ref(),
            "priority",
            1..=99,
            u32::from(default.priority),
        );
        if let Some(key) = &raw.priority
            && scheduling != Scheduling::Fifo
        {
            self.wrong(
                key.span(),
                "`priority` has no meaning without scheduling = \"fifo\"",
                "remove `priority`, or write scheduling = \"fifo\"",
            );
        }
        Fast {
            scheduling,
            priority: u8::try_from(priority).unwrap_or(default.priority),
            lock_memory: raw
                .lock_memory
                .map_or(default.lock_memory, Spanned::into_inner),
            per_cpu: raw.per_cpu.map_or(default.per_cpu, Spanned::into_inner),
            ring_bytes: self.ring(raw.ring_size.as_ref(), default.ring_bytes),
        }
    }

    fn ring(&mut self, key: Option<&Spanned<Memory>>, default: u32) -> u32 {
        let Some(key) = key else { return default };
        let Share::Amount(bytes) = key.get_ref().0 else {
            self.wrong(
                key.span(),
                "the ring buffer's size does not depend on the node",
                "write a size such as \"256KiB\"",
            );
            return default;
        };
        match u32::try_from(bytes.0) {
            Ok(size) if bytes.0.is_power_of_two() && (RING.0..=RING.1).contains(&bytes.0) => size,
            _ => {
                self.wrong(
                    key.span(),
                    "the kernel takes no ring buffer of this size",
                    "write a power of two from \"4KiB\" to \"64MiB\"",
                );
                default
            }
        }
    }
}

pub(super) fn anomalies(raw: raw::Anomalies) -> Anomalies {
    let default = Anomalies::default();
    Anomalies {
        enabled: raw.enabled.map_or(default.enabled, Spanned::into_inner),
    }
}
