//! The endpoint while the agent runs: opened, moved to another address, closed.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::{prometheus::Server, sample::Source};

/// What answers scrapers, wherever that is.
pub struct Serving {
    source: Arc<dyn Source>,
    /// For how long what was made is told.
    fresh: Duration,
    open: Option<(SocketAddr, JoinHandle<()>)>,
}

impl Serving {
    /// Answers nowhere yet.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, fresh: Duration) -> Self {
        Self {
            source,
            fresh,
            open: None,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|(address, _)| *address)
    }

    /// Answers here from now on, and no longer where it did before. Call within a tokio runtime, as all that follows.
    pub async fn serve(&mut self, server: Server) {
        self.close().await;
        let address = server.address();
        let task = tokio::spawn(server.serve(Arc::clone(&self.source), self.fresh));
        self.open = Some((address, task));
    }

    /// Answers nowhere. Connections that are there come to their end.
    pub async fn close(&mut self) {
        if let Some((_, task)) = self.open.take() {
            task.abort();
            // The socket is closed when the task has ended, which a task that was aborted says by an error.
            let _ = task.await;
        }
    }

    /// Answers at this address, and no longer where it did before.
    ///
    /// # Errors
    /// What the system says of the address; it goes on to answer where it did, unless meanwhile somebody else does.
    pub async fn move_to(&mut self, address: SocketAddr) -> io::Result<()> {
        let before = self.address();
        if before == Some(address) {
            return Ok(());
        }
        let mut bound = Server::bind(address);
        let in_use = matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        if in_use && before.is_some_and(|before| before.port() == address.port()) {
            // It may be in its own way, as 127.0.0.1:9464 is in that of 0.0.0.0:9464.
            self.close().await;
            bound = Server::bind(address);
        }
        let refused = match bound {
            Ok(server) => {
                self.serve(server).await;
                return Ok(());
            }
            Err(error) => error,
        };
        if let (Some(before), None) = (before, self.address())
            && let Ok(server) = Server::bind(before)
        {
            self.serve(server).await;
        }
        Err(refused)
    }
}
