//! What is known of each workload over time.

pub mod attainment;
pub mod energy;
pub mod forecast;
pub mod gpu;
pub mod throttling;
pub mod usage;
pub mod waiting;
pub mod window;
pub mod working_set;

pub use attainment::Attainment;
pub use forecast::{Foreseen, Outlook, Pattern};
pub use gpu::{GpuTick, GpuWait};
pub use throttling::Throttling;
pub use usage::Usage;
pub use waiting::Waiting;
pub(crate) use window::OFTEN;
pub use window::Window;
pub use working_set::WorkingSet;
