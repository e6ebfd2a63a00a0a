//! Leaving in good order: the first signal asks for it, the second insists.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// By convention a process that a signal ended reports 128 and the signal's number.
const SIGNAL_EXIT_BASE: i32 = 128;

/// Whether the process is to leave. Cheap to clone; clones are the same wish.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets SIGTERM and SIGINT ask. A second signal ends the process at once, with exit code 143
    /// or 130: nothing is lost by it, for what was not answered was not promised.
    pub fn listen(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            next(&mut terminate, &mut interrupt).await;
            tracing::info!("asked to leave: finishing what is under way (again to leave at once)");
            shutdown.request();
            let kind = next(&mut terminate, &mut interrupt).await;
            tracing::warn!("asked again: leaving at once");
            std::process::exit(SIGNAL_EXIT_BASE + kind.as_raw_value());
        });
        Ok(())
    }

    /// Asks to leave.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until somebody asks.
    pub fn requested(&self) -> WaitForCancellationFuture<'_> {
        self.0.cancelled()
    }

    /// Waits until somebody has asked, and `grace` more.
    pub async fn requested_for(&self, grace: Duration) {
        self.requested().await;
        tokio::time::sleep(grace).await;
    }

    /// The wish as a token, for what takes one.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
