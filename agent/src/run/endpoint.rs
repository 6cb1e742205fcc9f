//! Where Prometheus asks for metrics, and how that stands.

use std::net::SocketAddr;

use super::agent::Agent;
use crate::{
    api::view::{Finding, FindingState},
    report::{Accounts, prometheus::Server},
};

/// How the endpoint stands.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    /// Why it could not be opened; empty when it is open.
    why: String,
}

impl Endpoint {
    /// Opens it. That it cannot be opened is no reason to leave limits alone, so the agent goes on without.
    pub(super) fn bind(address: SocketAddr) -> (Self, Option<Server>) {
        let server = Server::bind(address).inspect_err(
            |error| tracing::error!(%address, %error, "nobody can ask for metrics: the endpoint cannot be opened"),
        );
        if server.is_ok() && !address.ip().is_loopback() {
            tracing::warn!(%address, "other hosts may ask for metrics, too");
        }
        let why = server.as_ref().err().map(ToString::to_string);
        let endpoint = Self {
            address,
            why: why.unwrap_or_default(),
        };
        (endpoint, server.ok())
    }
}

impl Agent {
    /// Counts for an endpoint from now on; what is to serve there.
    pub(super) fn open_endpoint(
        &mut self,
        endpoint: Option<(Endpoint, Option<Server>)>,
    ) -> Option<Server> {
        let (endpoint, server) = endpoint?;
        let room = self.selection.config().report.workloads as usize;
        self.endpoint = Some(endpoint);
        self.accounts = server.as_ref().map(|_| Accounts::new(room, self.started));
        server
    }

    /// The endpoint for `doctor`; `None` where none is wanted.
    pub(super) fn endpoint_finding(&self) -> Option<Finding> {
        let endpoint = self.endpoint.as_ref()?;
        let open = endpoint.why.is_empty();
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
                "see docs/METRICS.md: `listen` in [report.prometheus] must be free, and the unit must let the agent have a network; then start the agent again".into()
            },
        })
    }
}
