//! Which series laws are tuned on, and on which the results are reported.

use super::digest::Digest;

/// One half of all series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// Parameters may be chosen by what they do here.
    Tuning,
    /// Looked at for reports only.
    Reporting,
}

/// The seed; another one would make every result reported so far one on series that were tuned on.
const SEED: u64 = 0x7472_696d_7461_6221;

/// To which half a series belongs, for ever: it depends on the two names and nothing else.
///
/// By the digest of `source`, a NUL and `series`.
#[must_use]
pub fn half(source: &str, series: &str) -> Half {
    let digest = Digest::seeded(SEED).text(source).bytes(series.as_bytes());
    if digest.mixed() >> 63 == 0 {
        Half::Tuning
    } else {
        Half::Reporting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_changes() {
        let names = ["vm1", "vm2", "vm3", "vm4", "vm5", "vm6", "vm7", "vm8"];
        let tuned = names.map(|name| half("bitbrains", name) == Half::Tuning);
        assert_eq!(tuned, [false, true, false, true, true, true, true, false]);
    }

    #[test]
    fn splits_evenly() {
        let tuned = (0..10_000)
            .filter(|number| half("bitbrains", &format!("vm{number}")) == Half::Tuning)
            .count();
        assert!((4_800..5_200).contains(&tuned), "{tuned}");
    }

    #[test]
    fn tells_the_two_names_apart() {
        let differ = (0..100)
            .filter(|number| half("a", &format!("b{number}")) != half("ab", &number.to_string()))
            .count();
        assert!(differ > 20, "{differ}");
    }
}
