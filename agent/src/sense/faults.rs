//! What a group has paid for memory that it does not hold: pages that came back, and reads from disk.

use super::file::{flat, number};

/// Counters since the group was made, descendants included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Anonymous pages that were wanted again soon after they had been swapped out.
    pub refaults_anon: u64,
    /// File pages that were wanted again soon after they had been dropped.
    pub refaults_file: u64,
    /// Faults for which a page had to be read.
    pub major: u64,
}

/// `memory.stat` of v2.
#[must_use]
pub fn parse_v2(text: &[u8]) -> Option<Faults> {
    parse(text, b"")
}

/// `memory.stat` of v1: the `total_` lines, which include descendants.
#[must_use]
pub fn parse_v1(text: &[u8]) -> Option<Faults> {
    parse(text, b"total_")
}

fn parse(text: &[u8], prefix: &[u8]) -> Option<Faults> {
    let mut faults = Faults::default();
    let mut seen = 0;
    for (key, value) in flat(text) {
        let field = match key.strip_prefix(prefix) {
            Some(b"workingset_refault_anon") => &mut faults.refaults_anon,
            Some(b"workingset_refault_file") => &mut faults.refaults_file,
            Some(b"pgmajfault") => &mut faults.major,
            _ => continue,
        };
        *field = number(value)?;
        seen += 1;
    }
    (seen == 3).then_some(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_count_descendants() {
        let v1 = b"workingset_refault_anon 1\nworkingset_refault_file 2\npgmajfault 3\n\
            total_workingset_refault_anon 4\ntotal_workingset_refault_file 5\ntotal_pgmajfault 6\n";
        let faults = |refaults_anon, refaults_file, major| {
            Some(Faults {
                refaults_anon,
                refaults_file,
                major,
            })
        };
        assert_eq!(parse_v1(v1), faults(4, 5, 6));
        let v2 = b"anon 9\npgmajfault 7\nworkingset_refault_anon 8\nworkingset_refault_file 9\n";
        assert_eq!(parse_v2(v2), faults(8, 9, 7));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        assert_eq!(parse_v2(b"workingset_refault_anon 1\npgmajfault 3\n"), None);
        let wrong = b"pgmajfault x\nworkingset_refault_anon 8\nworkingset_refault_file 9\n";
        assert_eq!(parse_v2(wrong), None);
        assert_eq!(parse_v1(b""), None);
    }
}
