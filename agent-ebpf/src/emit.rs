//! The way out: the rings of events, and the counters of what got lost on the way.

use core::arch::asm;

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps,
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::{btf_map, map},
    maps::{Array, RingBuf, ring_buf::RingBufEntry},
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

/// What one CPU has lost, by cause.
#[repr(C, align(128))]
#[derive(Clone, Copy)]
struct Counts([u64; lost::ROOM]);

/// One for each CPU. Resized by user space, which maps it and so reads without a call.
#[map]
static LOST: Array<Counts> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// `CLOCK_MONOTONIC` in ns.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Counts one loss.
#[inline(always)]
pub(crate) fn count_lost(cause: u32) {
    if let Some(counts) = LOST.get_ptr_mut(cpu()) {
        // SAFETY: the counters belong to this CPU; an interrupt in between costs one count.
        unsafe { (*counts).0[cause as usize % lost::ROOM] += 1 };
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

/// What happened: an [`Event`] but for the CPU, which is where it is sent from.
pub(crate) struct News<'a> {
    pub(crate) time: u64,
    pub(crate) kind: u32,
    pub(crate) pid: u32,
    pub(crate) hierarchy: u32,
    pub(crate) used: u64,
    pub(crate) lowest: &'a Level,
    pub(crate) highest: &'a Level,
}

/// Sends what is to be acted on at once, by this CPU's own ring if it can; `false`, and counted, when
/// there is no room anywhere.
#[inline(always)]
pub(crate) fn alarm(news: &News<'_>) -> bool {
    let own = CPU_EVENTS.get(cpu()).and_then(|ring| ring.reserve(0));
    send(own.or_else(|| EVENTS.reserve(0)), news)
}

/// Sends what has its order among others of its kind; counted when the ring is full.
#[inline(always)]
pub(crate) fn tell(news: &News<'_>) {
    send(EVENTS.reserve(0), news);
}

#[inline(always)]
fn send(record: Option<RingBufEntry<Event>>, news: &News<'_>) -> bool {
    let Some(mut record) = record else {
        count_lost(lost::RING_FULL);
        return false;
    };
    record.write(Event {
        time: news.time,
        kind: news.kind,
        cpu: cpu(),
        pid: news.pid,
        hierarchy: news.hierarchy,
        used: news.used,
        lowest: *news.lowest,
        highest: *news.highest,
    });
    record.submit(0);
    true
}

/// The CPU that the program runs on.
#[inline(always)]
pub(crate) fn cpu() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_smp_processor_id() }
}
