//! In how many of the last minutes something was so.

/// The last minutes, up to 32, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recent(u32);

impl Recent {
    /// Takes a minute in.
    pub(super) const fn push(&mut self, so: bool) {
        self.0 = self.0 << 1 | so as u32;
    }

    /// In how many of the last `minutes`, 1 to 32, it was so.
    pub(super) const fn count(self, minutes: u32) -> u32 {
        (self.0 << (32 - minutes)).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minutes_count() {
        let mut recent = Recent::default();
        (0..40).for_each(|_| recent.push(true));
        assert_eq!((recent.count(32), recent.count(5)), (32, 5));
        (0..3).for_each(|_| recent.push(false));
        assert_eq!(
            (recent.count(32), recent.count(5), recent.count(3)),
            (29, 2, 0)
        );
    }
}
