//! Waking the relay.
//!
//! `NOTIFY` inside the transactions of facts would make them commit one after the other: Postgres
//! takes one lock for all commits that notify. So whoever has committed says so here, and one task
//! a process turns any number of such words into one notification now and then. A word that is
//! lost, with its process for instance, costs no more than the relay's slow look.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};

/// Where the relay listens.
pub const CHANNEL: &str = "outbox";

/// Between two notifications of a process. The first is sent at once, so one fact alone waits for
/// nothing; a thousand in this time share the second.
const BETWEEN: Duration = Duration::from_millis(20);

/// Wakes the relay, wherever it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// Has room for one word: more would say the same.
    words: mpsc::Sender<()>,
    here: Arc<Here>,
}

#[derive(Debug, Default)]
struct Here {
    woken: Notify,
    /// Whether the relay runs in this process.
    relays: AtomicBool,
}

impl Outbox {
    /// Begins to wait for words, in the background of the present tokio runtime.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let (words, heard) = mpsc::channel(1);
        let here = Arc::new(Here::default());
        tokio::spawn(pass_on(pool, heard, Arc::clone(&here)));
        Self { words, here }
    }

    /// Says that something was committed to the outbox. Never waits.
    pub fn wake(&self) {
        // full: somebody has just said so
        let _ = self.words.try_send(());
    }

    /// Waits for a word; for the relay. One that was said since the last time counts.
    pub async fn woken(&self) {
        self.here.woken.notified().await;
    }

    /// Whether the relay runs in this process, so that nobody else need be told.
    pub fn set_relaying(&self, relays: bool) {
        self.here.relays.store(relays, Ordering::Relaxed);
    }
}

/// Ends with the last handle.
async fn pass_on(pool: PgPool, mut words: mpsc::Receiver<()>, here: Arc<Here>) {
    while words.recv().await.is_some() {
        here.woken.notify_one();
        if here.relays.load(Ordering::Relaxed) {
            continue;
        }
        if let Err(error) = sqlx::query("NOTIFY outbox").execute(&pool).await {
            tracing::debug!(%error, "nobody was woken; the relay looks by itself");
        }
        tokio::time::sleep(BETWEEN).await;
    }
}
