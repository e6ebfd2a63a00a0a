//! All SQL of the dead letters.

use sqlx::PgExecutor;

use super::{DeadLetter, Failure};
use crate::kernel::clock::Timestamp;

/// Keeps what failed.
pub async fn insert(
    db: impl PgExecutor<'_>,
    failure: Failure<'_>,
    failed_at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO dead_letters (source, position, reason, payload, failed_at)
         VALUES ($1, $2, $3, $4, $5)",
        failure.source,
        failure.position,
        failure.reason,
        failure.payload,
        failed_at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The oldest `limit` that wait to be replayed.
pub async fn waiting(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        "SELECT id, source, position, reason, payload, failed_at, replayed_at FROM dead_letters
         WHERE replayed_at IS NULL ORDER BY id LIMIT $1",
        limit
    )
    .fetch_all(db)
    .await
}

/// How many wait to be replayed.
pub async fn count_waiting(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT COUNT(*) AS "n!" FROM dead_letters WHERE replayed_at IS NULL"#)
        .fetch_one(db)
        .await
}

/// One of them, replayed or not.
pub async fn get(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        "SELECT id, source, position, reason, payload, failed_at, replayed_at FROM dead_letters
         WHERE id = $1",
        id
    )
    .fetch_optional(db)
    .await
}

/// Takes note of a replay that succeeded.
pub async fn mark_replayed(db: impl PgExecutor<'_>, id: i64, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE dead_letters SET replayed_at = $2 WHERE id = $1 AND replayed_at IS NULL",
        id,
        at
    )
    .execute(db)
    .await?;
    Ok(())
}
