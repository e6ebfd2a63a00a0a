//! A dead letter of a consumer, taken once more.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{queue_of, take};
use crate::shop::{
    dead_letters::{DeadLetter, Replay},
    events::{Consumer, Fault},
};

/// Replays the events that a consumer did not take over.
pub struct EventReplay {
    consumer: Arc<dyn Consumer>,
    queue: String,
}

impl EventReplay {
    /// For this consumer.
    #[must_use]
    pub fn new(consumer: Arc<dyn Consumer>) -> Self {
        let queue = queue_of(consumer.as_ref());
        Self { consumer, queue }
    }
}

#[async_trait]
impl Replay for EventReplay {
    fn queue(&self) -> &str {
        &self.queue
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        let event = serde_json::from_slice(&letter.payload)?;
        match take(self.consumer.as_ref(), tx, &event).await {
            Ok(()) => Ok(()),
            Err(Fault::Retry(error)) => Err(error),
            Err(Fault::Park(reason)) => Err(anyhow::anyhow!(reason)),
        }
    }

    fn show(&self, letter: &DeadLetter) -> String {
        let body: Result<serde_json::Value, _> = serde_json::from_slice(&letter.payload);
        body.and_then(|body| serde_json::to_string_pretty(&body)).unwrap_or_else(|_| letter.text())
    }
}
