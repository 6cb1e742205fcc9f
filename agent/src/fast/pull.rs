//! Pulling a lever: over our own value, and over no other.

use trimtab_core::signal::Amount;

use crate::act::lever::{Lever, LeverError};

/// What came of pulling a lever.
pub(super) enum Pulled {
    Written,
    Failed,
    /// Somebody else's value was there, and was left there.
    Foreign(Amount),
}

/// Writes a limit over our own last one, and over no other: reading first costs 2 us.
pub(super) fn pull(lever: Option<&mut Lever>, from: Amount, to: Amount) -> Pulled {
    let Some(lever) = lever else {
        return Pulled::Failed;
    };
    match lever.read() {
        Ok(held) if held == from => match lever.write(to) {
            Ok(()) => Pulled::Written,
            Err(_) => Pulled::Failed,
        },
        Ok(held) | Err(LeverError::OtherPeriod { held, .. }) => Pulled::Foreign(held),
        Err(_) => Pulled::Failed,
    }
}
