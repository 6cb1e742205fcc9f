//! The way out: the rings of events, and the counters of what got lost on the way.

use core::arch::asm;

use aya_ebpf::{
    btf_maps,
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::{btf_map, map},
    maps::{PerCpuArray, RingBuf},
};
use trimtab_ebpf::{Event, Level, lost};

/// What must stay in order, and what a CPU's own ring cannot take. Resized by user space.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 << 10, 0);

/// A CPU's own ring, if it has one: a ring wakes its reader on the CPU that wrote to it, and a
/// reader that stays there need not wait for another CPU to be woken first.
#[btf_map]
static CPU_EVENTS: btf_maps::ArrayOfMaps<btf_maps::RingBuf<Event, 4096>, 1> =
    btf_maps::ArrayOfMaps::new();

#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// `CLOCK_MONOTONIC` in ns.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Counts one loss.
#[inline(always)]
pub(crate) fn count_lost(cause: u32) {
    if let Some(count) = LOST.get_ptr_mut(cause) {
        // SAFETY: the cell belongs to this CPU; an interrupt in between costs one count.
        unsafe { *count += 1 };
    }
}

/// Adds to a counter that other CPUs add to as well.
#[inline(always)]
pub(crate) fn add(counter: *mut u64, amount: u64) {
    // The target has this instruction, but no compare-and-swap before 5.12, and so core offers neither.
    // SAFETY: the pointer is a field of a map value, which is aligned and outlives the program's run.
    unsafe {
        asm!("lock *(u64 *)({counter} + 0) += {amount}", counter = in(reg) counter, amount = in(reg) amount);
    }
}

/// Sends an event that is to be acted on at once, by this CPU's own ring if it can; `false`, and
/// counted, when there is no room anywhere.
#[inline(always)]
pub(crate) fn alarm(
    time: u64,
    kind: u32,
    pid: u32,
    hierarchy: u32,
    used: u64,
    lowest: &Level,
    highest: &Level,
) -> bool {
    let own = CPU_EVENTS.get(cpu()).and_then(|ring| ring.reserve(0));
    let Some(mut record) = own.or_else(|| EVENTS.reserve::<Event>(0)) else {
        count_lost(lost::RING_FULL);
        return false;
    };
    record.write(Event {
        time,
        kind,
        cpu: cpu(),
        pid,
        hierarchy,
        used,
        lowest: *lowest,
        highest: *highest,
    });
    record.submit(0);
    true
}

/// Sends an event in its order among others of its kind; counted when the ring is full.
#[inline(always)]
pub(crate) fn tell(
    time: u64,
    kind: u32,
    pid: u32,
    hierarchy: u32,
    used: u64,
    lowest: &Level,
    highest: &Level,
) {
    let Some(mut record) = EVENTS.reserve::<Event>(0) else {
        return count_lost(lost::RING_FULL);
    };
    record.write(Event {
        time,
        kind,
        cpu: cpu(),
        pid,
        hierarchy,
        used,
        lowest: *lowest,
        highest: *highest,
    });
    record.submit(0);
}

/// The CPU that the program runs on.
#[inline(always)]
pub(crate) fn cpu() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_smp_processor_id() }
}
