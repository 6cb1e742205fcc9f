//! `[identity]`.

use std::path::PathBuf;

use serde_spanned::Spanned;

use super::Checker;
use crate::config::{raw, schema::Identity};

/// Sockets of one kind; each has a task of its own.
const MOST_SOCKETS: usize = 8;

impl Checker<'_> {
    pub(super) fn identity(&mut self, raw: raw::Identity) -> Identity {
        let default = Identity::default();
        Identity {
            enabled: raw.enabled.map_or(default.enabled, Spanned::into_inner),
            systemd: raw.systemd.map_or(default.systemd, Spanned::into_inner),
            bus: self.path(raw.bus, "bus", default.bus),
            cri: self.sockets(raw.cri, default.cri),
            docker: self.sockets(raw.docker, default.docker),
        }
    }

    fn sockets(
        &mut self,
        key: Option<Spanned<Vec<Spanned<PathBuf>>>>,
        default: Vec<PathBuf>,
    ) -> Vec<PathBuf> {
        let Some(key) = key else { return default };
        if key.get_ref().len() > MOST_SOCKETS {
            self.wrong(
                key.span(),
                format!("these are more than {MOST_SOCKETS} sockets"),
                "name those of the runtimes that run here",
            );
        }
        let mut sockets: Vec<PathBuf> = Vec::new();
        for socket in key.into_inner() {
            let path = socket.get_ref();
            if !path.is_absolute() {
                self.wrong(
                    socket.span(),
                    format!("`{}` is no absolute path", path.display()),
                    "write the socket's path from the root",
                );
            } else if sockets.contains(path) {
                self.wrong(
                    socket.span(),
                    format!("`{}` is named twice", path.display()),
                    "remove one of the two",
                );
            } else {
                sockets.push(socket.into_inner());
            }
        }
        sockets
    }
}
