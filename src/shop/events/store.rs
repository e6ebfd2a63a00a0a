//! All SQL of the events: into the outbox, and which queues are trusted.

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

/// Whether a queue has lasted long enough once for events to be routed to it.
pub async fn is_trusted(db: impl PgExecutor<'_>, queue: &str) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM event_queues WHERE queue = $1) AS "found!""#,
        queue
    );
    found.fetch_one(db).await
}

/// Takes note that it has.
pub async fn trust(db: impl PgExecutor<'_>, queue: &str) -> sqlx::Result<()> {
    sqlx::query!("INSERT INTO event_queues (queue) VALUES ($1) ON CONFLICT DO NOTHING", queue)
        .execute(db)
        .await
        .map(drop)
}
