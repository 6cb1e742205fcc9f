//! What holding something costs.

use crate::signal::{Amount, Resource};

use super::Account;

/// The price of holding one CPU, or one GiB, for an hour, in millionths of whatever currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price(pub u64);

impl Price {
    /// What was set aside comes to, in millionths of the currency, rounded down.
    #[must_use]
    pub fn of(self, resource: Resource, account: &Account) -> u128 {
        const HOUR: u128 = 3_600_000_000_000;
        let unit = match resource {
            Resource::Cpu => Amount::CPU,
            Resource::Memory => Amount(Amount::MIB.0 << 10),
        };
        // Whole unit-microseconds are exact enough, and leave room for the price.
        let held = account.set_aside() / (u128::from(unit.0) * 1000);
        held.saturating_mul(u128::from(self.0)) / (HOUR / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_for_an_hour() {
        let hours = |amount: u64, hours: u128| Account {
            held: u128::from(amount) * hours * 3_600_000_000_000,
            ..Account::default()
        };
        let price = Price(40_000);
        assert_eq!(price.of(Resource::Cpu, &hours(2_000_000, 24)), 48 * 40_000);
        assert_eq!(price.of(Resource::Memory, &hours(4 << 30, 10)), 40 * 40_000);
        assert_eq!(price.of(Resource::Memory, &Account::default()), 0);
    }
}
