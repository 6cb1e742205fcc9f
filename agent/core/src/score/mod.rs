//! What a controller's work on a simulated node is worth: sums and tallies that can be merged in any order.
//!
//! Held is what cannot be promised to anybody else while it is held. The momentary limit is shown beside
//! it and never scored: a fast lever that borrows for milliseconds would else score for nothing.

mod account;
mod changes;
mod observer;
mod price;
mod rules;
mod tally;
mod total;
mod window;

pub use account::Account;
pub use changes::Changes;
pub use observer::{Observer, run};
pub use price::Price;
pub use rules::Rules;
pub use tally::Tally;
pub use total::Score;
