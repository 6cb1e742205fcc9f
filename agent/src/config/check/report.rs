//! `[report]`.

use std::net::SocketAddr;

use serde_spanned::Spanned;

use super::Checker;
use crate::config::{raw, schema::Report};

impl Checker<'_> {
    pub(super) fn report(&mut self, raw: &raw::Report) -> Report {
        let default = Report::default();
        let prometheus = &raw.prometheus;
        let enabled = prometheus.enabled.as_ref().map(Spanned::get_ref);
        Report {
            workloads: self.whole(
                raw.workloads.as_ref(),
                "workloads",
                0..=Report::WORKLOADS,
                default.workloads,
            ),
            prometheus: enabled.copied().unwrap_or(default.prometheus),
            listen: self.listen(prometheus.listen.as_ref(), default.listen),
        }
    }

    /// An address of this host and a port that others can know beforehand.
    fn listen(&mut self, key: Option<&Spanned<String>>, default: SocketAddr) -> SocketAddr {
        let Some(key) = key else { return default };
        match key.get_ref().parse::<SocketAddr>() {
            Ok(address) if address.port() > 0 => return address,
            Ok(_) => self.wrong(
                key.span(),
                "port 0 is whichever is free, which nobody would know",
                format!("write a port, such as {}", default.port()),
            ),
            Err(_) => self.wrong(
                key.span(),
                format!("`{}` is no address with a port", key.get_ref()),
                format!(
                    "write numbers, such as \"{default}\" for this host alone, or \"[::]:{}\" for everybody",
                    default.port()
                ),
            ),
        }
        default
    }
}
