//! One other group that keeps a workload's tasks waiting for a CPU.

use super::recent::Recent;
use serde::Serialize;

/// A minute counts when so many of a thousand parts of the time in which tasks could run were spent behind the one group ...
const SHARE: u64 = 100;
/// ... and they could run for at least this long, in ns.
const LEAST: u64 = 150_000_000;

/// In how many of how many minutes it must be so, and in how many at most for it to be over.
const LOOK: u32 = 10;
const OFTEN: u32 = 8;
const SELDOM: u32 = 2;

/// Who keeps it waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// The group's id.
    pub id: u64,
    /// How many of a thousand parts of the time in which its tasks could run they waited behind it, on average.
    pub share: u32,
    /// In how many of the last ten minutes that was a tenth or more.
    pub minutes: u32,
}

/// Looks for a neighbour.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Neighbours {
    id: u64,
    share: u64,
    recent: Recent,
    noisy: bool,
}

impl Neighbours {
    /// Takes a minute in: for how long tasks could run, and for how long of it they waited behind each other group by id, the
    /// worst first, in ns.
    pub(super) fn push(&mut self, runnable: u64, behind: &[(u64, u64)]) {
        if self.recent.count(LOOK) == 0
            && let Some((worst, _)) = behind.first()
        {
            *self = Self {
                id: *worst,
                ..Self::default()
            };
        }
        let own = behind.iter().find(|(id, _)| *id == self.id);
        let waited = own.map_or(0, |(_, ns)| *ns);
        let share = waited.saturating_mul(1_000) / runnable.max(1);
        let counts = share >= SHARE && runnable >= LEAST;
        // About the last four minutes.
        self.share = if self.recent.count(LOOK) == 0 {
            share
        } else {
            (3 * self.share + share) / 4
        };
        self.recent.push(counts);
        let count = self.recent.count(LOOK);
        self.noisy = count >= OFTEN || self.noisy && count > SELDOM;
    }

    /// Who is found now.
    pub(super) fn found(&self) -> Option<Neighbour> {
        self.noisy.then(|| Neighbour {
            id: self.id,
            share: u32::try_from(self.share).unwrap_or(u32::MAX),
            minutes: self.recent.count(LOOK),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn one_that_is_always_in_front_is_found_and_goes() {
        let mut neighbours = Neighbours::default();
        let mut all = Vec::new();
        for minute in 0..40 {
            let loud = if minute < 20 { SECOND } else { 0 };
            neighbours.push(5 * SECOND, &[(7, loud), (8, SECOND / 10)]);
            all.push(neighbours.found());
        }
        let lasts: Vec<_> = (0..40).filter(|minute| all[*minute].is_some()).collect();
        assert_eq!((lasts[0], *lasts.last().unwrap(), lasts.len()), (7, 26, 20));
        let at = all[19].unwrap();
        assert_eq!((at.id, at.share, at.minutes), (7, 200, 10));
    }

    #[test]
    fn many_that_take_turns_are_none() {
        let mut neighbours = Neighbours::default();
        for minute in 0..100 {
            neighbours.push(5 * SECOND, &[(minute % 3 + 1, SECOND)]);
            assert_eq!(neighbours.found(), None);
        }
    }

    #[test]
    fn one_that_hardly_runs_waits_for_nobody() {
        let mut neighbours = Neighbours::default();
        for _ in 0..100 {
            neighbours.push(SECOND / 10, &[(1, SECOND / 20)]);
            assert_eq!(neighbours.found(), None);
        }
    }
}
