//! What the node has beyond everybody's floor, and how much of it is lent out.

use crate::signal::Amount;
use serde::{Deserialize, Serialize};

/// One resource's pool. Only the fast loop touches it: the slow loop sends `size` as a plain
/// number, and `lent` is by construction the sum of `lent` over the envelopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// What may be lent in all: capacity less reserve, top-level floors and unmanaged use.
    pub size: Amount,
    /// What is lent.
    pub lent: Amount,
}

impl Pool {
    /// A pool of which nothing is lent yet.
    #[must_use]
    pub const fn new(size: Amount) -> Self {
        Self {
            size,
            lent: Amount::ZERO,
        }
    }

    /// What may still be lent: 0 while the pool is overdrawn.
    #[must_use]
    pub const fn left(&self) -> Amount {
        self.size.minus(self.lent)
    }

    /// By how much more is lent than the pool holds, since it has shrunk.
    #[must_use]
    pub const fn overdrawn(&self) -> Amount {
        if self.size.is_unlimited() {
            Amount::ZERO
        } else {
            self.lent.minus(self.size)
        }
    }

    /// Exchanges one envelope's loan for another amount.
    pub(crate) const fn relend(&mut self, old: Amount, new: Amount) {
        self.lent = self.lent.minus(old).plus(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overdrawn_pool_has_nothing_left() {
        let mut pool = Pool::new(Amount(100));
        pool.relend(Amount(0), Amount(70));
        assert_eq!(pool.left(), Amount(30));
        pool.size = Amount(50);
        assert_eq!(pool.left(), Amount(0));
        assert_eq!(pool.overdrawn(), Amount(20));
        pool.relend(Amount(70), Amount(0));
        assert_eq!(pool.left(), Amount(50));
    }
}
