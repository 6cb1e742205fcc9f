//! Microbursts: short times in which requests come several times as fast, at random moments fixed by a seed.
//!
//! Traces that count requests per second or slower have none, and a controller that looks once a second is
//! enough for them. What answers within a period shows only where these are put in.

use crate::signal::Nanos;

use super::work::clip;

/// How often they come, how long they last and how strong they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Microbursts {
    /// One begins at a random moment of each stretch of time this long, and ends within it.
    pub every: Nanos,
    /// The shortest and the longest.
    pub length: [Nanos; 2],
    /// What the rate becomes, in percent: the weakest and the strongest.
    pub percent: [u32; 2],
    /// The same seed gives the same microbursts.
    pub seed: u64,
}

impl Default for Microbursts {
    /// One in each 10 s, of 50 to 500 ms, at 3 to 10 times the rate: on average 15 % more requests.
    fn default() -> Self {
        Self {
            every: Nanos(10 * Nanos::SECOND.0),
            length: [Nanos(50 * Nanos::MILLI.0), Nanos(500 * Nanos::MILLI.0)],
            percent: [300, 1000],
            seed: 1,
        }
    }
}

impl Microbursts {
    /// From when on which percentage of the rate comes, in whole stretches up to `until`.
    fn edges(&self, until: Nanos) -> impl Iterator<Item = (Nanos, u32)> + use<> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let every = self.every.0.max(1);
        let [shortest, longest] = self.length.map(|length| length.0.min(every));
        let [weakest, strongest] = self.percent;
        (0..until.0 / every).flat_map(move |stretch| {
            let length = random.u64(shortest..=longest.max(shortest));
            let from = stretch * every + random.u64(0..=every - length);
            let percent = random.u32(weakest..=strongest.max(weakest));
            [(Nanos(from), percent), (Nanos(from + length), 100)]
        })
    }

    /// These rates with the microbursts in them. As `rates` say it, so does the result: from when on which rate
    /// holds, in order; nothing before the first.
    #[must_use]
    pub fn over(&self, rates: &[(Nanos, u64)], until: Nanos) -> Vec<(Nanos, u64)> {
        let mut rates = rates.iter().copied().peekable();
        let mut edges = self.edges(until).peekable();
        let (mut rate, mut percent) = (0, 100);
        let mut out = Vec::new();
        loop {
            let times = [
                rates.peek().map(|(at, _)| *at),
                edges.peek().map(|(at, _)| *at),
            ];
            let Some(next) = times.into_iter().flatten().min() else {
                return out;
            };
            if let Some((_, new)) = rates.next_if(|(at, _)| *at == next) {
                rate = new;
            }
            if let Some((_, new)) = edges.next_if(|(at, _)| *at == next) {
                percent = new;
            }
            out.push((next, clip(u128::from(rate) * u128::from(percent) / 100)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = Nanos::SECOND.0;

    #[test]
    fn each_stretch_has_one_of_the_length_and_strength_that_was_asked_for() {
        let bursts = Microbursts::default();
        let edges: Vec<_> = bursts.edges(Nanos(3_605 * SECOND)).collect();
        assert_eq!(edges.len(), 2 * 360);
        for (stretch, pair) in (0..).zip(edges.chunks(2)) {
            let (from, to) = (pair[0].0, pair[1].0);
            assert_eq!(from.0 / (10 * SECOND), stretch);
            assert!(to.0 <= (stretch + 1) * 10 * SECOND);
            assert!((50..=500).contains(&(to.since(from).0 / Nanos::MILLI.0)));
            assert!((300..=1000).contains(&pair[0].1));
            assert_eq!(pair[1].1, 100);
        }
        assert!(
            edges
                .iter()
                .eq(&bursts.edges(Nanos(3_605 * SECOND)).collect::<Vec<_>>())
        );
        let other = Microbursts { seed: 2, ..bursts };
        assert!(edges != other.edges(Nanos(3_605 * SECOND)).collect::<Vec<_>>());
    }

    #[test]
    fn the_rate_is_multiplied_in_them_and_what_it_was_around_them() {
        let bursts = Microbursts {
            every: Nanos(10),
            length: [Nanos(4); 2],
            percent: [500; 2],
            seed: 3,
        };
        let edges: Vec<_> = bursts.edges(Nanos(20)).map(|(at, _)| at).collect();
        let changes = Nanos(edges[0].0 + 1);
        let found = bursts.over(&[(Nanos(0), 10), (changes, 30)], Nanos(20));
        let rate = |at: u64| {
            let before = found.iter().rev().find(|(from, _)| from.0 <= at);
            before.map_or(0, |(_, rate)| *rate)
        };
        for at in 0..20 {
            let base = if at < changes.0 { 10 } else { 30 };
            let inside = edges
                .chunks(2)
                .any(|edge| (edge[0].0..edge[1].0).contains(&at));
            assert_eq!(
                rate(at),
                if inside { 5 * base } else { base },
                "{at} of {found:?}"
            );
        }
        assert!(found.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn without_a_whole_stretch_nothing_changes() {
        let rates = [(Nanos(0), 7), (Nanos(SECOND), 9)];
        assert_eq!(
            Microbursts::default().over(&rates, Nanos(9 * SECOND)),
            rates
        );
    }
}
