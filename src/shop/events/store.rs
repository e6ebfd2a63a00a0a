//! Events into the outbox.

use sqlx::PgExecutor;

use super::Event;
use crate::platform::outbox::{self, Message};

/// Writes events, in the transaction of what they tell of.
pub async fn append(db: impl PgExecutor<'_>, events: &[Event]) -> sqlx::Result<()> {
    let messages = events.iter().map(|event| {
        let body = serde_json::to_vec(event).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        Ok(Message { routing_key: event.kind().to_owned(), body })
    });
    outbox::append(db, &messages.collect::<sqlx::Result<Vec<_>>>()?).await
}
