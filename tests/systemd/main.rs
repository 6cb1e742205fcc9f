//! Tests with systemd as the first process: real units, real drop-ins, a real bus.

mod cost;
mod dip;
mod kills;
mod limits;
mod owner;
mod packaged;
mod speed;
mod unit;
