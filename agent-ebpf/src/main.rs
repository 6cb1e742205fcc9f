//! The probes, one file each.
#![no_std]
#![no_main]
#![expect(
    unstable_features,
    reason = "inline assembly for this target, which aya-ebpf needs as well"
)]
#![expect(
    clippy::inline_always,
    reason = "a call costs a probe more than its body, and the verifier follows few"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the probe macros call"
)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    clippy::cast_possible_truncation,
    clippy::cast_ptr_alignment,
    reason = "loads of kernel fields by offset: what is read is as wide and as aligned as BTF said"
)]
#![feature(asm_experimental_arch)]

mod baseline;
mod behind;
mod block;
mod cgroups;
mod delay;
mod emit;
mod groups;
mod kernel;
mod level;
mod log;
mod memory;
mod process;
mod quota;
mod reclaim;
mod runq;
mod sched;
mod softirq;
mod stretch;
mod tcp;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
