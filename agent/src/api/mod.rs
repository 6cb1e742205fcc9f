//! The local API: gRPC on a Unix socket, server and client.
//!
//! The server works against [`Backend`] in the plain types of [`view`], the same that the command
//! line prints and `--json` serialises; the protobuf types stay inside this module.

pub mod auth;
pub mod backend;
pub mod client;
mod convert;
pub mod proto;
pub mod server;
mod socket;
#[cfg(test)]
mod tests;
pub mod view;

pub use backend::{Backend, Refusal};
pub use client::Client;
pub use server::Server;
