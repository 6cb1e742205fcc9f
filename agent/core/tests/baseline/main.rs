//! The laws that we are compared with: what is published of them, or follows from it.

mod histogram;

use trimtab_core::signal::Nanos;

pub(crate) const HOUR: u64 = 60 * Nanos::MINUTE.0;
pub(crate) const DAY: u64 = 24 * HOUR;
