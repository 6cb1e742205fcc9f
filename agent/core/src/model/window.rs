//! The largest value of each sixtieth of a span of time: exact percentiles in six hundred bytes.

use crate::signal::Nanos;
use serde::{Deserialize, Serialize};

/// Into how many cells a span is divided at the most.
const CELLS: usize = 60;

/// The least that a cell lasts: no more than one comes with a tick, so that shorter ones would make the window longer
/// than its span.
const LEAST: Nanos = Nanos::SECOND;

/// The percentile of demand that counts as needed often: everybody asks for it, in every tick.
pub(crate) const OFTEN: u32 = 95;

/// A sliding window. With a span of up to 60 s and a tick of 1 s each cell is one tick; in a longer
/// span a cell keeps the peak of several ticks, so that percentiles err to the safe side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Window {
    /// The cells, a ring once all are in use.
    cells: Vec<u64>,
    /// The places of the cells in the order of their values, equal ones as they stand: percentiles
    /// are asked for more often than values change.
    #[serde(skip_serializing)]
    order: [u8; CELLS],
    /// The percentile [`OFTEN`], at hand without a look at the cells: of very many windows most are
    /// in no cache.
    #[serde(skip_serializing)]
    often: u64,
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
        let order = &mut window.order[..window.cells.len()];
        for (rank, cell) in (0..).zip(&mut *order) {
            *cell = rank;
        }
        order.sort_by_key(|cell| window.cells[usize::from(*cell)]);
        window.often = window.ranked(OFTEN);
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
            order: [0; CELLS],
            often: 0,
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
            self.sort_in(self.newest);
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
        if old == value {
            return;
        }
        let newest = place(self.newest);
        let from = self.order.iter().position(|cell| *cell == newest);
        self.sort_in(from.unwrap_or(self.newest));
    }

    /// Moves the newest cell to its place in the order, from another one.
    fn sort_in(&mut self, from: usize) {
        let value = self.cells[self.newest];
        // A search by halves would look at few cells, but each where the one before has led: to wait
        // for memory again and again takes longer than to count all.
        let (before, rest) = self.cells.split_at(self.newest);
        let to = before.iter().filter(|other| **other <= value).count()
            + rest.iter().filter(|other| **other < value).count();
        // Only what lies between the two places moves.
        if from < to {
            self.order.copy_within(from + 1..=to, from);
        } else {
            self.order.copy_within(to..from, to + 1);
        }
        self.order[to] = place(self.newest);
        self.often = self.ranked(OFTEN);
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
        if percent == OFTEN {
            self.often
        } else {
            self.ranked(percent)
        }
    }

    /// The same from the cells.
    fn ranked(&self, percent: u32) -> u64 {
        let rank = (self.cells.len() * percent.min(100) as usize).div_ceil(100);
        self.at(rank.saturating_sub(1))
    }

    /// The largest value; 0 when empty.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.at(self.cells.len().saturating_sub(1))
    }

    /// The value of a rank, from 0 for the smallest; 0 when empty.
    fn at(&self, rank: usize) -> u64 {
        let cell = usize::from(self.order[rank]);
        self.cells.get(cell).copied().unwrap_or(0)
    }
}

/// A cell's place, as it is noted in the order.
fn place(cell: usize) -> u8 {
    const { assert!(CELLS < u8::MAX as usize) };
    u8::try_from(cell).unwrap_or(u8::MAX)
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
    fn the_order_is_that_of_the_values() {
        for span in [5, 60, 600] {
            let mut window = Window::new(Nanos(span * Nanos::SECOND.0));
            let mut value = 1_u64;
            for now in 0..10_000 {
                value = value
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                window.push(Nanos(now * 600_000_000), value >> 58);
                let mut sorted = window.cells.clone();
                sorted.sort_unstable();
                for (rank, value) in sorted.iter().enumerate() {
                    assert_eq!(window.at(rank), *value);
                }
                assert_eq!(window.often, window.ranked(OFTEN));
            }
            let bytes = postcard::to_stdvec(&window).expect("a window can be written");
            let read: Window = postcard::from_bytes(&bytes).expect("and read");
            assert_eq!(read, window, "what is calculated comes out the same");
        }
    }
}
