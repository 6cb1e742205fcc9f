//! What a controller's work on a simulated node is worth: sums and tallies that can be merged in any order.
//!
//! Held is what cannot be promised to anybody else while it is held. The momentary limit is shown beside
//! it and never scored: a fast lever that borrows for milliseconds would else score for nothing.

mod account;
mod best;
mod changes;
mod observer;
mod packing;
mod price;
mod response;
mod rules;
mod since;
mod tally;
mod total;
mod trajectory;
mod window;

pub use account::Account;
pub use best::{Came, best};
pub use changes::Changes;
pub use observer::{Observer, run};
pub use packing::{Packing, Span};
pub use price::Price;
pub use response::{BAND, Response, Spread, Steps};
pub use rules::Rules;
pub use since::Since;
pub use tally::Tally;
pub use total::Score;
pub use trajectory::Trajectory;
