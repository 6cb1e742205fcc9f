//! Which setting of a law is its best: as Autothrottle's authors choose it.

use crate::signal::Nanos;

/// What a setting came to on one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// What was held, in any unit.
    pub held: u64,
    /// The latency that 99 of 100 requests did not exceed; `None` where nothing was answered.
    pub p99: Option<Nanos>,
}

impl Came {
    /// Whether the objective was met.
    #[must_use]
    pub fn meets(self, objective: Nanos) -> bool {
        self.p99.is_some_and(|p99| p99 <= objective)
    }
}

/// The setting that held least in all, of those that met the objective on every series; the first of several, and
/// `None` if none did. `settings` says for each what it came to, series by series.
#[must_use]
pub fn best(settings: &[Vec<Came>], objective: Nanos) -> Option<usize> {
    let held = |came: &Vec<Came>| came.iter().map(|one| u128::from(one.held)).sum::<u128>();
    let all = settings
        .iter()
        .enumerate()
        .filter(|(_, came)| !came.is_empty() && came.iter().all(|one| one.meets(objective)));
    all.min_by_key(|(index, came)| (held(came), *index))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(all: &[(u64, u64)]) -> Vec<Came> {
        let each = all.iter().map(|(held, ms)| Came {
            held: *held,
            p99: Some(Nanos(ms * Nanos::MILLI.0)),
        });
        each.collect()
    }

    #[test]
    fn the_least_counts_among_those_that_are_in_time_everywhere() {
        let slo = Nanos(200 * Nanos::MILLI.0);
        let settings = [
            came(&[(5, 100), (9, 100)]),
            came(&[(1, 100), (2, 201)]),
            came(&[(6, 200), (6, 10)]),
            came(&[(4, 150), (8, 150)]),
        ];
        assert_eq!(best(&settings, slo), Some(2), "the first of equals");
        assert_eq!(best(&settings[..2], slo), Some(0));
        assert_eq!(best(&settings[1..2], slo), None);
        let unanswered = Came { held: 0, p99: None };
        assert_eq!(best(&[vec![unanswered], Vec::new()], slo), None);
    }
}
