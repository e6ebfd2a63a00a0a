//! All SQL of the outbox.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::Message;

/// A message that waits to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The order of publishing, among what is committed.
    pub id: i64,
    /// What it is routed by.
    pub routing_key: String,
    /// What it says.
    pub body: Vec<u8>,
    /// When it was written; its commit came after.
    pub written_at: DateTime<Utc>,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Rows.
    pub rows: i64,
    /// When the oldest of them was written.
    pub oldest: Option<DateTime<Utc>>,
}

/// Writes messages, in this order. The caller owns the transaction, and wakes the relay after it
/// with [`Outbox::wake`](super::Outbox::wake).
pub async fn append(db: impl PgExecutor<'_>, messages: &[Message]) -> sqlx::Result<()> {
    let (keys, bodies): (Vec<String>, Vec<Vec<u8>>) =
        messages.iter().map(|one| (one.routing_key.clone(), one.body.clone())).unzip();
    sqlx::query!(
        "INSERT INTO outbox (routing_key, body)
         SELECT routing_key, body
         FROM UNNEST($1::text[], $2::bytea[]) WITH ORDINALITY AS m (routing_key, body, n)
         ORDER BY n",
        &keys,
        &bodies,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The first `limit` that wait, in order.
pub async fn next(db: impl PgExecutor<'_>, limit: u16) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "SELECT id, routing_key, body, written_at FROM outbox ORDER BY id LIMIT $1",
        i64::from(limit)
    )
    .fetch_all(db)
    .await
}

/// Removes what was published.
pub async fn remove(db: impl PgExecutor<'_>, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", ids).execute(db).await.map(drop)
}

/// How much waits, and since when.
pub async fn backlog(db: impl PgExecutor<'_>) -> sqlx::Result<Backlog> {
    sqlx::query_as!(Backlog, r#"SELECT COUNT(*) AS "rows!", MIN(written_at) AS oldest FROM outbox"#)
        .fetch_one(db)
        .await
}
