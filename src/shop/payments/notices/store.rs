//! The SQL of `payment_notices`.

use std::time::Duration;

use sqlx::PgExecutor;

use super::{Notice, Stored};
use crate::{
    kernel::{clock::Timestamp, ids::OrderId},
    platform::postgres::interval,
};

/// Keeps a notice; false if it is kept already.
pub async fn insert(
    db: impl PgExecutor<'_>,
    notice: &Notice,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO payment_notices
             (provider, notice_id, kind, order_id, body, received_at, next_try_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT ON CONSTRAINT payment_notices_pkey DO NOTHING",
        notice.provider,
        notice.id,
        notice.kind,
        notice.order.map(|order| order.0),
        notice.body,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notices that are due, the oldest first, for whoever has the transaction.
pub async fn due(db: impl PgExecutor<'_>, now: Timestamp, limit: i64) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        "SELECT provider, notice_id, kind, order_id, body, received_at, tries FROM payment_notices
         WHERE handled_at IS NULL AND next_try_at <= $1
         ORDER BY next_try_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    .fetch_all(db)
    .await?;
    let stored = rows.into_iter().map(|row| Stored {
        provider: row.provider,
        id: row.notice_id,
        kind: row.kind,
        order: row.order_id.map(OrderId),
        body: row.body,
        received_at: row.received_at,
        tries: row.tries,
    });
    Ok(stored.collect())
}

/// Takes note that a notice was handled.
pub async fn handled(db: impl PgExecutor<'_>, notice: &Stored, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE payment_notices SET handled_at = $3 WHERE provider = $1 AND notice_id = $2",
        notice.provider,
        notice.id,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts a notice off.
pub async fn put_off(
    db: impl PgExecutor<'_>,
    notice: &Stored,
    pause: Duration,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE payment_notices SET tries = tries + 1, next_try_at = next_try_at + $3
         WHERE provider = $1 AND notice_id = $2",
        notice.provider,
        notice.id,
        interval(pause)?,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has a notice handled once more.
pub async fn once_more(db: impl PgExecutor<'_>, provider: &str, id: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE payment_notices SET handled_at = NULL, tries = 0, next_try_at = clock_timestamp()
         WHERE provider = $1 AND notice_id = $2",
        provider,
        id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets handled notices that came before `since`, `limit` at most; says how many.
pub async fn forget(db: impl PgExecutor<'_>, since: Timestamp, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM payment_notices WHERE (provider, notice_id) IN
             (SELECT provider, notice_id FROM payment_notices
              WHERE received_at < $1 AND handled_at IS NOT NULL LIMIT $2)",
        since,
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
