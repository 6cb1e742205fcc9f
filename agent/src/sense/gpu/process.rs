//! Who uses a device: the driver's lists, put together by pid, and whose cgroup each is in.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use nvml_wrapper::{
    Device as Handle,
    enums::device::UsedGpuMemory,
    error::NvmlError,
    struct_wrappers::device::{ProcessInfo, ProcessUtilizationSample},
};

use super::{
    device::known,
    reading::{Process, Role},
};
use crate::sense::hierarchy::Hierarchies;

/// How far back samples of use are asked for: twice what the slowest devices take for one.
const SAMPLES_US: u64 = 2_000_000;
/// `nvidia-cuda-mps-server` as the kernel keeps it: fifteen bytes. Its control daemon, which is
/// called the same so far, uses no device.
const MPS_SERVER: &str = "nvidia-cuda-mps";

/// What the lists say of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listed {
    memory: Option<u64>,
    client: bool,
}

/// The processes of a device, of which `room` still fit; those that do not are counted in `left_out`. `None` where the
/// device has no such lists.
///
/// # Errors
/// The device or the driver has gone.
pub(super) fn processes(
    device: &Handle<'_>,
    hierarchies: &Hierarchies,
    room: &mut usize,
    left_out: &mut u32,
) -> Result<Option<Vec<Process>>, NvmlError> {
    let lists = [
        known(device.running_compute_processes())?,
        known(device.running_graphics_processes())?,
        known(device.mps_running_compute_processes())?,
    ];
    if lists.iter().all(Option::is_none) {
        return Ok(None);
    }
    let since = unix_us().saturating_sub(SAMPLES_US);
    let used = match device.process_utilization_stats(since) {
        // So it is said that nobody used the device.
        Err(NvmlError::NotFound) => Some(BTreeMap::new()),
        samples => known(samples)?.map(|samples| latest(&samples)),
    };
    let mut processes = Vec::new();
    for (pid, listed) in together(&lists) {
        if *room == 0 {
            *left_out = left_out.saturating_add(1);
            continue;
        }
        *room -= 1;
        let role = match listed.client {
            true => Role::MpsClient,
            false if is_mps_server(pid) => Role::MpsServer,
            false => Role::Own,
        };
        let used = used.as_ref().filter(|_| role != Role::MpsClient);
        processes.push(Process {
            pid,
            role,
            group: hierarchies.group_of(pid),
            memory: listed.memory,
            used_percent: used.map(|used| used.get(&pid).copied().unwrap_or(0)),
        });
    }
    Ok(Some(processes))
}

/// One entry per process. A list names it once per MIG instance, and each instance has memory of
/// its own; two lists that name it mean the same memory.
fn together(lists: &[Option<Vec<ProcessInfo>>; 3]) -> BTreeMap<u32, Listed> {
    let mut all = BTreeMap::new();
    for (index, list) in lists.iter().enumerate() {
        let mut one = BTreeMap::new();
        for process in list.iter().flatten() {
            let memory: &mut Option<u64> = one.entry(process.pid).or_default();
            if let UsedGpuMemory::Used(bytes) = process.used_gpu_memory {
                *memory = Some(memory.unwrap_or(0).saturating_add(bytes));
            }
        }
        for (pid, memory) in one {
            let listed = all.entry(pid).or_insert(Listed {
                memory: None,
                client: false,
            });
            listed.memory = listed.memory.max(memory);
            listed.client |= index == 2;
        }
    }
    all
}

/// The newest sample of each process. Some drivers fill their table with noise.
fn latest(samples: &[ProcessUtilizationSample]) -> BTreeMap<u32, u32> {
    let mut newest = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.sm_util <= 100) {
        let place = newest.entry(sample.pid).or_insert((0, 0));
        *place = (*place).max((sample.timestamp, sample.sm_util));
    }
    let used = newest.into_iter().map(|(pid, (_, used))| (pid, used));
    used.collect()
}

fn is_mps_server(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.trim_end() == MPS_SERVER)
}

/// Now on the clock that the driver stamps samples with.
fn unix_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(pid: u32, bytes: Option<u64>) -> ProcessInfo {
        ProcessInfo {
            pid,
            used_gpu_memory: bytes.map_or(UsedGpuMemory::Unavailable, UsedGpuMemory::Used),
            gpu_instance_id: None,
            compute_instance_id: None,
        }
    }

    #[test]
    fn instances_add_up_and_lists_do_not() {
        let lists = [
            Some(vec![info(1, Some(10)), info(1, Some(5)), info(2, None)]),
            Some(vec![info(1, Some(15)), info(3, Some(7))]),
            Some(vec![info(3, Some(7)), info(4, Some(1))]),
        ];
        let listed = |memory, client| Listed { memory, client };
        assert_eq!(
            together(&lists).into_iter().collect::<Vec<_>>(),
            [
                (1, listed(Some(15), false)),
                (2, listed(None, false)),
                (3, listed(Some(7), true)),
                (4, listed(Some(1), true)),
            ]
        );
    }

    #[test]
    fn the_newest_sample_counts_and_noise_does_not() {
        let sample = |pid, timestamp, sm_util| ProcessUtilizationSample {
            pid,
            timestamp,
            sm_util,
            mem_util: 0,
            enc_util: 0,
            dec_util: 0,
        };
        let samples = [
            sample(1, 5, 90),
            sample(1, 6, 20),
            sample(1, 4, 50),
            sample(2, 9, u32::MAX),
            sample(3, 1, 100),
        ];
        assert_eq!(
            latest(&samples).into_iter().collect::<Vec<_>>(),
            [(1, 20), (3, 100)]
        );
    }

    #[test]
    fn we_are_no_mps_server() {
        assert!(!is_mps_server(std::process::id()));
        assert_eq!(MPS_SERVER.len(), 15);
    }
}
