//! Both loops together, in a small world with the kernel's rules.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod contention;
mod feedback;
mod foreign;
mod giving;
mod invariants;
mod life;
mod policies;
mod shadows;
mod sharing;
mod visible;
mod world;
