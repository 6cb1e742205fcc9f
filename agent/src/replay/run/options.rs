//! What is replayed, and how it is judged.

use std::num::{NonZeroU64, NonZeroUsize};

use trimtab_core::{node::Microbursts, score::Rules, signal::Nanos};

use super::super::{
    digest::Digest,
    half::{Half, half},
    series::Head,
};
use super::pack::Together;

/// Options of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which series are replayed.
    pub chosen: Chosen,
    /// How they share nodes; `None` for a node each.
    pub together: Option<Together>,
    /// How much of the beginning of each; `None` for all of it.
    pub most: Option<Nanos>,
    /// What is put into series of requests; `None` leaves them as they are.
    pub microbursts: Option<Microbursts>,
    /// What counts as too late.
    pub rules: Rules,
    /// How many work at once.
    pub threads: NonZeroUsize,
    /// Whether the scores of each series, and of each node that is shared, are wanted too.
    pub each: bool,
    /// Whether the first series of each source is kept, to be drawn.
    pub draw: bool,
}

/// Which series are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Only this half.
    pub half: Option<Half>,
    /// One in so many of them, by a hash of their names.
    pub one_in: NonZeroU64,
}

/// Another seed than that of the halves, which are to be thinned out evenly.
const SEED: u64 = 0x6f6e_655f_696e_5f6e;

impl Chosen {
    /// What the half is called.
    #[must_use]
    pub const fn half_name(&self) -> &'static str {
        match self.half {
            None => "all",
            Some(Half::Tuning) => "tuning",
            Some(Half::Reporting) => "reporting",
        }
    }

    /// Whether a series is among them, with all its parts.
    pub(super) fn has(&self, head: &Head) -> bool {
        let digest = Digest::seeded(SEED).text(head.source).text(&head.name);
        digest.mixed().is_multiple_of(self.one_in.get())
            && self
                .half
                .is_none_or(|wanted| half(head.source, &head.name) == wanted)
    }
}

impl Default for Options {
    /// All of all series, on all cores.
    fn default() -> Self {
        Self {
            chosen: Chosen {
                half: None,
                one_in: NonZeroU64::MIN,
            },
            together: None,
            most: None,
            microbursts: None,
            rules: Rules::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            each: false,
            draw: false,
        }
    }
}
