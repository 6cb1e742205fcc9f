//! The largest value of each sixtieth of a span of time: exact percentiles in one kilobyte.

use crate::signal::Nanos;
use serde::{Deserialize, Serialize};

/// Into how many cells a span is divided at the most.
const CELLS: usize = 60;

/// The least that a cell lasts: no more than one comes with a tick, so that shorter ones would make the window longer
/// than its span.
const LEAST: Nanos = Nanos::SECOND;

/// A sliding window. With a span of up to 60 s and a tick of 1 s each cell is one tick; in a longer
/// span a cell keeps the peak of several ticks, so that percentiles err to the safe side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Window {
    /// The cells, a ring once all are in use.
    cells: Vec<u64>,
    /// The same values in order: percentiles are asked for more often than values change.
    #[serde(skip_serializing)]
    sorted: Vec<u64>,
    /// Index of the newest cell.
    newest: usize,
    /// How many cells there are once it is full.
    most: usize,
    /// How long one cell lasts.
    cell: Nanos,
    /// When the newest cell began.
    began: Nanos,
}

/// A window as it is serialised: what can be calculated is left out.
#[derive(Deserialize)]
struct Stored {
    cells: Vec<u64>,
    newest: usize,
    most: usize,
    cell: Nanos,
    began: Nanos,
}

impl From<Stored> for Window {
    fn from(stored: Stored) -> Self {
        let mut window = Self::new(Nanos(0));
        window.most = stored.most.clamp(1, CELLS);
        window
            .cells
            .extend(stored.cells.into_iter().take(window.most));
        window.sorted.extend(&window.cells);
        window.sorted.sort_unstable();
        window.newest = stored.newest.min(window.cells.len().saturating_sub(1));
        window.cell = stored.cell;
        window.began = stored.began;
        window
    }
}

impl Window {
    /// An empty window over `span`.
    #[must_use]
    pub fn new(span: Nanos) -> Self {
        let most = usize::try_from(span.0 / LEAST.0).map_or(CELLS, |cells| cells.clamp(1, CELLS));
        Self {
            cells: Vec::with_capacity(most),
            sorted: Vec::with_capacity(most),
            newest: 0,
            most,
            cell: Nanos(span.0 / most as u64),
            began: Nanos(0),
        }
    }

    /// Takes a value in.
    pub fn push(&mut self, now: Nanos, value: u64) {
        // Ticks jitter: one that comes a little early still opens a cell.
        let full = now.since(self.began).0 >= self.cell.0 - self.cell.0 / 8;
        if self.cells.is_empty() || full && self.cells.len() < self.most {
            self.began = now;
            self.newest = self.cells.len();
            self.cells.push(value);
            let place = self.sorted.partition_point(|other| *other < value);
            self.sorted.insert(place, value);
        } else if full {
            self.began = now;
            self.newest = (self.newest + 1) % self.most;
            self.replace(value);
        } else if value > self.cells[self.newest] {
            self.replace(value);
        }
    }

    /// Puts a value into the newest cell.
    fn replace(&mut self, value: u64) {
        let old = std::mem::replace(&mut self.cells[self.newest], value);
        let from = self.sorted.partition_point(|other| *other < old);
        let to = self.sorted.partition_point(|other| *other < value);
        // Only what lies between the two places moves.
        if from < to {
            self.sorted.copy_within(from + 1..to, from);
            self.sorted[to - 1] = value;
        } else {
            self.sorted.copy_within(to..from, to + 1);
            self.sorted[to] = value;
        }
    }

    /// How many cells hold a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nothing has been pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The smallest value that at least `percent` of the cells do not exceed; 0 when empty.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> u64 {
        let rank = (self.sorted.len() * percent.min(100) as usize).div_ceil(100);
        self.sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(0)
    }

    /// The largest value; 0 when empty.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.sorted.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(span: u64, values: impl IntoIterator<Item = u64>) -> Window {
        let mut window = Window::new(Nanos(span * Nanos::SECOND.0));
        for (second, value) in (1..).zip(values) {
            window.push(Nanos(second * Nanos::SECOND.0), value);
        }
        window
    }

    #[test]
    fn percentiles_are_exact() {
        let window = filled(60, 1..=60);
        assert_eq!(window.percentile(95), 57);
        assert_eq!(window.percentile(50), 30);
        assert_eq!(window.percentile(100), 60);
        assert_eq!(window.percentile(0), 1);
        assert_eq!(Window::new(Nanos::MINUTE).percentile(95), 0);
    }

    #[test]
    fn old_values_leave() {
        let window = filled(60, [1000; 10].into_iter().chain([7; 60]));
        assert_eq!(window.peak(), 7);
        assert_eq!(window.len(), 60);
    }

    #[test]
    fn a_shorter_span_forgets_sooner() {
        let window = filled(5, [1000; 10].into_iter().chain([7; 5]));
        assert_eq!((window.peak(), window.len()), (7, 5));
    }

    #[test]
    fn a_longer_span_keeps_peaks() {
        let window = filled(
            600,
            (0..600).map(|second| if second % 10 == 3 { 50 } else { 1 }),
        );
        assert_eq!(window.len(), 60);
        assert_eq!(window.percentile(50), 50);
    }

    #[test]
    fn jitter_does_not_merge_ticks() {
        let mut window = Window::new(Nanos::MINUTE);
        for tick in 1..=60 {
            let jitter = if tick % 2 == 0 { 990_000_000 } else { 0 };
            window.push(Nanos(tick * Nanos::SECOND.0 + jitter / 100), tick);
        }
        assert_eq!(window.len(), 60);
    }

    #[test]
    fn the_sorted_copy_stays_a_copy() {
        let mut window = Window::new(Nanos::MINUTE);
        let mut value = 1_u64;
        for now in 0..10_000 {
            value = value
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            window.push(Nanos(now * 600_000_000), value >> 58);
            let mut cells = window.cells.clone();
            cells.sort_unstable();
            assert_eq!(window.sorted, cells);
        }
    }
}
