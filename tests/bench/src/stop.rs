//! The wish to end: the first Ctrl-C, SIGTERM or hang-up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Set once somebody wants what is shown or measured to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From here on the three signals end nothing by themselves. To be called within a runtime.
    pub(crate) fn listen() -> Result<Self> {
        let stop = Self::default();
        let receive = |kind| signal(kind).context("signals cannot be received");
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            tokio::spawn(stop.clone().set_by(receive(kind)?));
        }
        Ok(stop)
    }

    async fn set_by(self, mut signal: Signal) {
        while signal.recv().await.is_some() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether to end.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps; signals and the journal are received meanwhile.
    pub(crate) async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
