//! One workload looked at closely, look after look.

use trimtab_ebpf::{bucket, bucket_start};

use super::{history::Series, news::Look};
use crate::api::view::{Bin, Detail, Why};

/// How many values are kept: as many as a wide terminal shows.
const KEPT: usize = 160;

/// What is known of the workload that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Scrutiny {
    /// Its path.
    pub(super) path: String,
    /// All about it, or why not; `None` before the first answer.
    pub(super) detail: Option<Result<Detail, String>>,
    /// Behind whom its tasks waited lately, or why nobody knows.
    pub(super) why: Option<Result<Why, String>>,
    /// The 99th percentile of waits for a CPU between two looks, in us.
    pub(super) waits: Series,
    /// The same of requests.
    pub(super) answers: Series,
}

impl Scrutiny {
    /// Begins to look.
    pub(super) const fn new(path: String) -> Self {
        Self {
            path,
            detail: None,
            why: None,
            waits: Series::of(KEPT),
            answers: Series::of(KEPT),
        }
    }

    /// Takes what was seen, unless it is of another workload.
    pub(super) fn take(&mut self, look: Look) {
        if look.path != self.path {
            return;
        }
        if let Ok(now) = &look.detail {
            let last = self.detail.as_ref().and_then(|last| last.as_ref().ok());
            let since = |of: fn(&Detail) -> Option<&Vec<Bin>>| {
                let p99 = p99_since(of(last?)?, of(now)?)?;
                Some(p99 / 1_000)
            };
            self.waits.push(since(|detail| detail.waits.as_ref()));
            self.answers.push(since(|detail| detail.answers.as_ref()));
        }
        self.detail = Some(look.detail);
        self.why = Some(look.why);
    }
}

/// The 99th percentile of what was counted between two readings, in ns; `None` where nothing was.
fn p99_since(last: &[Bin], now: &[Bin]) -> Option<u64> {
    let before = |bin: &Bin| {
        let place = last.binary_search_by_key(&bin.from_ns, |bin| bin.from_ns);
        place.map_or(0, |place| last[place].count)
    };
    let new = |bin: &Bin| (bin.from_ns, bin.count.saturating_sub(before(bin)));
    let bins: Vec<_> = now.iter().map(new).collect();
    let total: u64 = bins.iter().map(|(_, count)| count).sum();
    let rank = (total * 99).div_ceil(100).max(1);
    let mut below = 0;
    let (from_ns, _) = bins.iter().find(|(_, count)| {
        below += count;
        below >= rank
    })?;
    Some(bucket_start(bucket(*from_ns) + 1).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(counts: &[(u64, u64)]) -> Vec<Bin> {
        let bin = |&(from_ns, count): &_| Bin { from_ns, count };
        counts.iter().map(bin).collect()
    }

    fn look(path: &str, waits: &[(u64, u64)]) -> Look {
        let detail = Detail {
            waits: Some(bins(waits)),
            ..Detail::default()
        };
        Look {
            path: path.into(),
            detail: Ok(detail),
            why: Err("nobody knows".into()),
        }
    }

    #[test]
    fn only_what_came_since_the_last_look_counts() {
        let last = bins(&[(1_024, 1_000), (1_048_576, 10)]);
        let now = bins(&[(1_024, 1_099), (4_096, 1), (1_048_576, 10)]);
        assert_eq!(p99_since(&last, &now), Some(1_279), "99 of 100 are shorter");
        assert_eq!(p99_since(&now, &now), None);
    }

    #[test]
    fn a_look_at_another_workload_is_not_taken() {
        let mut scrutiny = Scrutiny::new("/a".into());
        scrutiny.take(look("/b", &[(1_024, 1)]));
        assert!(scrutiny.detail.is_none());
        scrutiny.take(look("/a", &[(1_048_576, 1)]));
        scrutiny.take(look("/a", &[(1_048_576, 3)]));
        let waits: Vec<_> = scrutiny.waits.last(9).collect();
        assert_eq!(waits, [None, Some(1_310)]);
    }
}
