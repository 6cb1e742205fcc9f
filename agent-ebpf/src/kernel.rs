//! Loads from kernel structures at offsets that user space has resolved.
//!
//! The offsets lie in read-only data that is frozen before the programs are verified, so that the
//! verifier knows them: it follows the type of every pointer, refuses an offset at which no member
//! of a fitting type lies, and turns each load into one plain instruction. A load through a
//! pointer that has gone bad reads 0.

use core::ptr;

use trimtab_ebpf::{ABSENT, Layout, Settings};

/// A pointer into a kernel structure whose type the verifier knows.
pub(crate) type Kernel = *const u8;

#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout::NONE;

#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = Settings::NONE;

/// The offset of a field of [`Layout`].
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::constant(&raw const $crate::kernel::LAYOUT.$field)
    };
}

/// Loads a field of [`Layout`] from the structure that `base` points to.
macro_rules! load {
    ($base:expr, $field:ident as $type:ty) => {
        $crate::kernel::load_at::<$type>($base, $crate::kernel::offset!($field))
    };
}

/// A field of [`Settings`].
macro_rules! setting {
    ($field:ident) => {
        $crate::kernel::constant(&raw const $crate::kernel::SETTINGS.$field)
    };
}

pub(crate) use {load, offset, setting};

/// Reads a constant; volatile, since the compiler must not take the value that it sees for final.
#[inline(always)]
pub(crate) fn constant(place: *const u32) -> u32 {
    // SAFETY: the place is a field of one of the two statics above.
    unsafe { ptr::read_volatile(place) }
}

/// Whether the duty is on.
#[inline(always)]
pub(crate) fn on(duty: u32) -> bool {
    setting!(duties) & duty != 0
}

/// Whether the running kernel has a field.
#[inline(always)]
pub(crate) fn has(offset: u32) -> bool {
    offset != ABSENT
}

/// Loads the `T` at `offset` from `base`.
#[inline(always)]
pub(crate) fn load_at<T: Copy>(base: Kernel, offset: u32) -> T {
    // SAFETY: the verifier proves every such load, or refuses the program.
    unsafe { *base.add(offset as usize).cast::<T>() }
}
