//! Where Prometheus asks for metrics, and how that stands.

use std::{io, net::SocketAddr};

use super::{agent::Agent, backend::Shared};
use crate::{
    api::view::{Finding, FindingState},
    report::{Accounts, Serving, prometheus::Server},
};

/// How the endpoint stands.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    /// Why it could not be opened; empty when it is open.
    why: String,
}

/// Why a configuration that was read again is refused.
#[derive(Debug, thiserror::Error)]
#[error("`listen` in [report.prometheus]: {address} cannot be opened: {source}")]
pub(super) struct CannotMove {
    address: SocketAddr,
    source: io::Error,
}

impl Endpoint {
    /// Opens it. That it cannot be opened is no reason to leave limits alone, so the agent goes on without.
    pub(super) fn bind(address: SocketAddr) -> (Self, Option<Server>) {
        match Server::bind(address) {
            Ok(server) => (Self::open(address), Some(server)),
            Err(error) => (Self::closed(address, &error), None),
        }
    }

    fn open(address: SocketAddr) -> Self {
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "other hosts may ask for metrics, too");
        }
        let why = String::new();
        Self { address, why }
    }

    fn closed(address: SocketAddr, error: &io::Error) -> Self {
        tracing::error!(%address, %error, "nobody can ask for metrics: the endpoint cannot be opened");
        let why = error.to_string();
        Self { address, why }
    }

    const fn is_open(&self) -> bool {
        self.why.is_empty()
    }
}

/// Has the endpoint where a configuration that was read again wants it.
///
/// # Errors
/// Another address than before cannot be opened: nothing of the configuration is to take effect. One that could not
/// be opened before was no reason not to start, and is none here.
pub(super) async fn follow(
    shared: &Shared,
    serving: &mut Serving,
    wanted: Option<SocketAddr>,
) -> Result<(), CannotMove> {
    let Some(address) = wanted else {
        serving.close().await;
        shared.lock().endpoint = None;
        return Ok(());
    };
    let before = serving.address();
    let moved = serving.move_to(address).await;
    let mut agent = shared.lock();
    let same = |endpoint: &Endpoint| endpoint.address == address;
    match moved {
        Ok(()) if before == Some(address) => {}
        Ok(()) => agent.ask_at(Endpoint::open(address)),
        Err(error) if agent.endpoint.as_ref().is_some_and(same) => {
            agent.ask_at(Endpoint::closed(address, &error));
        }
        Err(source) => {
            if let (Some(before), None) = (before, serving.address()) {
                agent.ask_at(Endpoint::closed(before, &source));
            }
            return Err(CannotMove { address, source });
        }
    }
    Ok(())
}

impl Agent {
    /// Has an endpoint asked from now on, if it is open: what workloads do is counted for it, and goes on to be
    /// counted should it close, so that no counter falls when it opens again.
    pub(super) fn ask_at(&mut self, endpoint: Endpoint) {
        if endpoint.is_open() && self.accounts.is_none() {
            let room = self.selection.config().report.workloads as usize;
            self.accounts = Some(Accounts::new(room, self.started));
        }
        self.endpoint = Some(endpoint);
    }

    /// The endpoint for `doctor`; `None` where none is wanted.
    pub(super) fn endpoint_finding(&self) -> Option<Finding> {
        let endpoint = self.endpoint.as_ref()?;
        let open = endpoint.is_open();
        Some(Finding {
            area: "report".into(),
            name: "prometheus".into(),
            state: if open {
                FindingState::On
            } else {
                FindingState::Off
            },
            why: if open {
                let others = if endpoint.address.ip().is_loopback() {
                    ""
                } else {
                    ", for other hosts, too"
                };
                format!("http://{}/metrics{others}", endpoint.address)
            } else {
                format!("{}: {}", endpoint.address, endpoint.why)
            },
            remedy: if open {
                String::new()
            } else {
                "see docs/METRICS.md: `listen` in [report.prometheus] must be free, and the unit must let the agent have a network; then have it read its configuration again".into()
            },
        })
    }
}
