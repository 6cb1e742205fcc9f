//! Figures as what has changed since they were last told: a mask of one byte, and the changes.

use super::bytes::{Bytes, put_change, put_pages};

/// Appends a mask of the figures that have changed, with `flag` in it, then the changes; `pages` says
/// which are bytes of memory.
pub(super) fn put_masked<const N: usize>(
    out: &mut Vec<u8>,
    last: &[u64; N],
    next: &[u64; N],
    pages: u8,
    flag: u8,
) {
    let place = out.len();
    out.push(flag);
    for (index, (last, next)) in last.iter().zip(next).enumerate() {
        if last == next {
            continue;
        }
        out[place] |= 1 << index;
        if pages & 1 << index != 0 {
            put_pages(out, *last, *next);
        } else {
            put_change(out, *last, *next);
        }
    }
}

/// Reads figures of which those in the mask have changed; the mask itself has been read.
pub(super) fn get_masked<const N: usize>(
    bytes: &mut Bytes<'_>,
    mask: u8,
    mut figures: [u64; N],
    pages: u8,
) -> Option<[u64; N]> {
    for (index, figure) in figures.iter_mut().enumerate() {
        if mask & 1 << index == 0 {
            continue;
        }
        *figure = if pages & 1 << index != 0 {
            bytes.pages(*figure)?
        } else {
            bytes.change(*figure)?
        };
    }
    Some(figures)
}
