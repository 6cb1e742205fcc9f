//! What every subcommand is given: the shared options and the way to the agent.

use std::path::{Path, PathBuf};

use super::{Failure, Hooks, exit::OS};
use crate::{api::Client, config::Config};

/// The shared options.
#[derive(Debug)]
pub(super) struct Context {
    /// `--json`.
    pub(super) json: bool,
    /// `--socket`.
    pub(super) socket: Option<PathBuf>,
    /// `--config`.
    pub(super) config: Option<PathBuf>,
    /// The rest of the agent.
    pub(super) hooks: Hooks,
}

impl Context {
    /// The configuration and the file it comes from. Without `--config` the default file need not
    /// exist; one that was named must.
    pub(super) fn load(&self) -> Result<(Config, Option<PathBuf>), Failure> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None if Path::new(Config::DEFAULT_PATH).exists() => PathBuf::from(Config::DEFAULT_PATH),
            None => return Ok((self.with_socket(Config::default()), None)),
        };
        let config = self.with_socket(Config::load(&path)?);
        Ok((config, Some(path)))
    }

    /// `--socket` goes before the file.
    fn with_socket(&self, mut config: Config) -> Config {
        if let Some(socket) = &self.socket {
            config.agent.socket.clone_from(socket);
        }
        config
    }

    /// The agent's socket. A default file that is broken keeps nobody from asking the agent.
    pub(super) fn socket_path(&self) -> Result<PathBuf, Failure> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        match self.load() {
            Ok((config, _)) => Ok(config.agent.socket),
            Err(failure) if self.config.is_some() => Err(failure),
            Err(_) => Ok(Config::default().agent.socket),
        }
    }

    /// Connects to the agent and asks it something.
    pub(super) fn ask<T, F>(&self, question: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let socket = self.socket_path()?;
        runtime()?.block_on(async move { question(Client::connect(&socket).await?).await })
    }
}

/// A runtime on this thread.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure {
            code: OS,
            error: anyhow::Error::new(error).context("start the runtime"),
        })
}
