//! GPUs, in `trimtab status` and `trimtab show`.

use super::{
    output::{BAD, FAIR, paint},
    table::Table,
    units::{bytes, count, duration},
};
use crate::api::view::{Gpu, GpuDriver, GpuInstance, GpuShare, GpuState, Gpus};

/// What stands in the way of knowing more; `None` where nothing does, or where there is no GPU.
pub(super) fn trouble(gpus: &Gpus) -> Option<String> {
    match gpus.driver {
        GpuDriver::Silent => {
            let silent = duration(gpus.silent_ns.unwrap_or(0));
            let text = paint(BAD, format!("the driver does not answer since {silent}"));
            Some(match gpus.age_ns.filter(|_| !gpus.devices.is_empty()) {
                Some(age) => format!("{text}; what is below is {} old", duration(age)),
                None => text,
            })
        }
        GpuDriver::Refuses => Some(paint(
            FAIR,
            format!("the driver cannot be used: {}", gpus.why),
        )),
        GpuDriver::Off | GpuDriver::None | GpuDriver::Starting | GpuDriver::Here => None,
    }
}

/// The devices; nothing where there are none.
pub(super) fn devices(gpus: &Gpus) -> Option<String> {
    if gpus.devices.is_empty() {
        return None;
    }
    let mut table = Table::new(&[
        "GPU", "NAME", ">USE", ">MEMORY", ">OF", ">POWER", ">OF", ">SM", ">MEM", ">TEMP", "NOTE",
    ]);
    for gpu in &gpus.devices {
        table.row([
            gpu.index.to_string(),
            gpu.name.clone(),
            shown(gpu.used_percent, "%"),
            memory(gpu.memory_used_bytes),
            memory(gpu.memory_total_bytes),
            shown(gpu.power_milliwatts.map(watts), "W"),
            shown(gpu.power_limit_milliwatts.map(watts), "W"),
            shown(gpu.sm_clock_mhz, "MHz"),
            shown(gpu.memory_clock_mhz, "MHz"),
            shown(gpu.temperature_celsius, "C"),
            note(gpu),
        ]);
        for instance in &gpu.instances {
            table.row(part(gpu, instance));
        }
    }
    let mut text = table.render();
    for (number, what) in [
        (gpus.devices_left_out, "devices"),
        (gpus.processes_left_out, "processes"),
    ] {
        if number > 0 {
            text += &paint(
                FAIR,
                format!("{what} left out, since there are too many: {number}"),
            );
            text.push('\n');
        }
    }
    Some(text)
}

/// What a workload has of each device; nothing where it has none.
pub(super) fn shares(shares: &[GpuShare]) -> Option<String> {
    if shares.is_empty() {
        return None;
    }
    let mut table = Table::new(&["GPU", ">MEMORY", ">USE", "NOTE"]);
    for share in shares {
        let note = if share.waits_for_cpu {
            paint(FAIR, "idles while the workload waits for a CPU")
        } else {
            String::new()
        };
        table.row([
            share.index.to_string(),
            memory(share.memory_bytes),
            shown(share.used_percent, "%"),
            note,
        ]);
    }
    Some(table.render())
}

/// A MIG instance: a row of its device.
fn part(gpu: &Gpu, instance: &GpuInstance) -> [String; 5] {
    [
        format!("{}:{}", gpu.index, instance.index),
        "MIG instance".to_owned(),
        String::new(),
        memory(instance.memory_used_bytes),
        memory(instance.memory_total_bytes),
    ]
}

fn note(gpu: &Gpu) -> String {
    match gpu.state {
        GpuState::Lost => return paint(BAD, "lost"),
        GpuState::Denied => return paint(FAIR, "the agent may not open it"),
        GpuState::Unreadable => return paint(BAD, &gpu.why),
        GpuState::Here => {}
    }
    let mut notes = Vec::new();
    if let Some(number) = gpu.last_xid {
        notes.push(paint(BAD, format!("XID {number}")));
    }
    if let Some(errors @ 1..) = gpu.ecc_uncorrected {
        notes.push(paint(BAD, count(errors, "uncorrectable memory error")));
    }
    if !gpu.throttled_by.is_empty() {
        let reasons = gpu.throttled_by.join(", ");
        notes.push(paint(FAIR, format!("slowed by {reasons}")));
    }
    if !gpu.waits_for_cpu.is_empty() {
        let workloads = gpu.waits_for_cpu.join(", ");
        let idles = format!("idles while who uses it waits for a CPU: {workloads}");
        notes.push(paint(FAIR, idles));
    }
    if gpu.mps {
        notes.push("MPS: use by its clients cannot be told apart".to_owned());
    }
    notes.join("; ")
}

fn shown(value: Option<u32>, unit: &str) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value} {unit}"))
}

fn memory(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), bytes)
}

/// Whole watts, rounded.
const fn watts(milliwatts: u32) -> u32 {
    milliwatts.saturating_add(500) / 1000
}
