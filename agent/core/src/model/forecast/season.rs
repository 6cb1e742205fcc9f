//! What returns after a while: what came at each place of a season, and how far today is from it.

use serde::{Deserialize, Serialize};

use super::skill::Skill;

/// A place of which nothing is known yet.
const UNKNOWN: u32 = u32::MAX;

/// A season: so many steps of so many minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Minutes in a step.
    pub(super) minutes: u64,
    /// Steps in the season.
    pub(super) steps: u32,
    /// Judged steps before it may be believed.
    pub(super) enough: u32,
    /// Over how many steps errors roll.
    pub(super) span: u32,
}

/// The largest value of each step, smoothed over the seasons so far: half of it is the last one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Season {
    shape: Shape,
    places: Vec<u32>,
    /// By how much values are above their places lately: the level of Holt and Winters.
    level: i64,
    /// Of expecting what stands at the place.
    plain: Skill,
    /// Of adding the level.
    level_added: Skill,
    /// The step that is under way, counted from the beginning of time, and its largest value.
    step: u64,
    peak: Option<u32>,
    /// The value of the step before.
    last: Option<u32>,
}

impl Season {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            places: vec![UNKNOWN; shape.steps as usize],
            level: 0,
            plain: Skill::default(),
            level_added: Skill::default(),
            step: 0,
            peak: None,
            last: None,
        }
    }

    /// Takes a minute in.
    pub(super) fn push(&mut self, minute: u64, value: u32, coverage: u32) {
        let minutes = self.shape.minutes.max(1);
        let step = minute / minutes;
        if step != self.step {
            self.end(coverage);
            if step != self.step.saturating_add(1) {
                (self.last, self.level) = (None, 0);
            }
            self.step = step;
        }
        self.peak = self.peak.max(Some(value));
        if (minute + 1).is_multiple_of(minutes) {
            self.end(coverage);
        }
    }

    /// Ends the step under way, unless it has ended or nothing is known of it.
    fn end(&mut self, coverage: u32) {
        let Some(value) = self.peak.take() else {
            return;
        };
        let place = usize::try_from(self.step).unwrap_or(0) % self.places.len().max(1);
        let Some(cell) = self.places.get_mut(place) else {
            return;
        };
        let came = i64::from(value);
        if *cell == UNKNOWN {
            *cell = value;
        } else {
            let expected = i64::from(*cell);
            let above = expected.saturating_add(self.level).max(0);
            if let Some(last) = self.last {
                let (last, span) = (i64::from(last), self.shape.span);
                self.plain.judge(expected, last, came, span, coverage);
                self.level_added.judge(above, last, came, span, coverage);
            }
            let off = (came - expected).saturating_sub(self.level);
            self.level = self.level.saturating_add(off / 2);
            *cell = cell.midpoint(value);
        }
        self.last = Some(value);
    }

    /// The most that is expected from one minute to another, with the upper end of its interval; `None` if nothing is
    /// known of any of that time.
    pub(super) fn ahead(&self, from: u64, to: u64) -> Option<(i64, i64)> {
        let minutes = self.shape.minutes.max(1);
        let length = self.places.len() as u64;
        let steps = (from / minutes..=to / minutes).take(self.places.len());
        let cells = steps.filter_map(|step| {
            let cell = self.places.get(usize::try_from(step % length).ok()?)?;
            (*cell != UNKNOWN).then_some(i64::from(*cell))
        });
        let expected = cells.max()?;
        let (skill, level) = self.better();
        let expected = expected.saturating_add(level).max(0);
        Some((expected, skill.upper(expected)))
    }

    /// The candidate with the smaller error, and what it adds.
    fn better(&self) -> (&Skill, i64) {
        let error = |skill: &Skill| skill.error(0, true).unwrap_or(i64::MAX);
        if error(&self.level_added) < error(&self.plain) {
            (&self.level_added, self.level)
        } else {
            (&self.plain, 0)
        }
    }

    /// See [`Skill::error`].
    pub(super) fn error(&self, before: bool) -> Option<i64> {
        self.better().0.error(self.shape.enough, before)
    }

    /// How many places it has.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has been judged for as long as it is ever looked back.
    pub(super) const fn is_known(&self) -> bool {
        self.plain.steps() >= self.shape.span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A season of an hour in steps of five minutes.
    const HOUR: Shape = Shape {
        minutes: 5,
        steps: 12,
        enough: 12,
        span: 12,
    };

    fn pushed(minutes: u64, value: impl Fn(u64) -> u32) -> Season {
        let mut season = Season::new(HOUR);
        for minute in 0..minutes {
            season.push(minute, value(minute), 90);
        }
        season
    }

    /// 400,000 from the 20th to the 25th minute of each hour.
    fn job(minute: u64) -> u32 {
        if (20..25).contains(&(minute % 60)) {
            400_000
        } else {
            50_000
        }
    }

    #[test]
    fn what_returns_is_expected_at_its_place() {
        let season = pushed(180, job);
        assert!(season.error(false).is_some());
        assert_eq!(season.ahead(190, 195), Some((50_000, 50_000)));
        assert_eq!(season.ahead(199, 200), Some((400_000, 400_000)));
        assert_eq!(season.ahead(204, 205).map(|(most, _)| most), Some(400_000));
        assert_eq!(season.ahead(205, 209).map(|(most, _)| most), Some(50_000));
    }

    #[test]
    fn it_takes_a_season_to_know_and_another_to_believe() {
        assert_eq!(pushed(60, job).error(false), None);
        assert_eq!(pushed(115, job).error(false), None);
        assert!(pushed(125, job).error(false).is_some());
        assert_eq!(pushed(18, job).ahead(20, 24), None);
    }

    #[test]
    fn the_level_is_added_where_it_helps() {
        // The same shape, and each hour 100,000 more than the one before.
        let grown = |minute: u64| job(minute) + u32::try_from(minute / 60).unwrap() * 100_000;
        let season = pushed(600, grown);
        let (expected, _) = season.ahead(620, 624).unwrap();
        assert!((1_300_000..1_400_000).contains(&expected), "{expected}");
    }

    #[test]
    fn a_gap_is_not_judged() {
        let mut season = pushed(115, job);
        let judged = season.plain.steps();
        // An hour and more later, in the middle of a step, and far from what it was.
        season.push(187, 900_000, 90);
        season.push(190, 50_000, 90);
        assert_eq!(season.plain.steps(), judged);
        season.push(195, 50_000, 90);
        assert_eq!(season.plain.steps(), judged + 1);
    }
}
