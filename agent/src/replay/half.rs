//! Which series laws are tuned on, and on which the results are reported.

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
/// FNV-1a over `source`, a NUL and `series`, then the finaliser of `SplitMix64`, so that names that
/// differ in a digit fall independently.
#[must_use]
pub fn half(source: &str, series: &str) -> Half {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = source.bytes().chain([0]).chain(series.bytes());
    let hash = bytes.fold(OFFSET ^ SEED, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (mixed ^ (mixed >> 31)) >> 63 == 0 {
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
