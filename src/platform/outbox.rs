//! Messages that are written in the transaction of what they tell of, and published later: opaque
//! bytes under a routing key.
//!
//! Owns the table `outbox`. What always holds: a row is there from the commit of its fact until
//! the broker has confirmed it, so what happened is told at least once, and what did not happen
//! is never told.

use sqlx::PgExecutor;

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is routed by.
    pub routing_key: String,
    /// What it says.
    pub body: Vec<u8>,
}

/// Writes messages, in this order. The caller owns the transaction.
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
