//! All SQL of the dead letters.

use sqlx::PgExecutor;

use super::{DeadLetter, Failure, Kept, Waiting};
use crate::kernel::clock::Timestamp;

/// Keeps what failed. What has an id is kept once; failing again counts, unless it is done with.
pub async fn insert(
    db: impl PgExecutor<'_>,
    failure: Failure<'_>,
    failed_at: Timestamp,
) -> sqlx::Result<Kept> {
    let row = sqlx::query!(
        r#"INSERT INTO dead_letters AS old
               (source, position, reason, payload, failed_at, message_id, attempts, subject)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           ON CONFLICT (source, message_id) DO UPDATE SET reason = excluded.reason,
               attempts = old.attempts + 1, last_failed_at = excluded.failed_at
           WHERE old.replayed_at IS NULL AND old.dropped_at IS NULL
           RETURNING id, last_failed_at IS NULL AS "is_new!""#,
        failure.source,
        failure.position,
        failure.reason,
        failure.payload,
        failed_at,
        failure.message_id,
        failure.attempts,
        failure.subject
    );
    let row = row.fetch_optional(db).await?;
    Ok(row.filter(|row| row.is_new).map_or(Kept::Known, |row| Kept::New(row.id)))
}

/// The first `limit` with a number above `after` that wait to be replayed, of one queue or of all.
pub async fn waiting(
    db: impl PgExecutor<'_>,
    source: Option<&str>,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, source, position, reason, payload, subject, attempts,
               failed_at AS first_failed_at,
               COALESCE(last_failed_at, failed_at) AS "last_failed_at!",
               replayed_at, dropped_at, drop_reason
           FROM dead_letters
           WHERE replayed_at IS NULL AND dropped_at IS NULL AND id > $2
             AND ($1::text IS NULL OR source = $1)
           ORDER BY id LIMIT $3"#,
        source,
        after,
        limit
    )
    .fetch_all(db)
    .await
}

/// How many wait to be replayed.
pub async fn count_waiting(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "n!" FROM dead_letters
           WHERE replayed_at IS NULL AND dropped_at IS NULL"#
    )
    .fetch_one(db)
    .await
}

/// What waits, by queue.
pub async fn waiting_by_source(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT source, COUNT(*) AS "letters!", MIN(failed_at) AS "oldest!" FROM dead_letters
           WHERE replayed_at IS NULL AND dropped_at IS NULL GROUP BY source ORDER BY source"#
    )
    .fetch_all(db)
    .await
}

/// One of them, whatever became of it.
pub async fn get(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, source, position, reason, payload, subject, attempts,
               failed_at AS first_failed_at,
               COALESCE(last_failed_at, failed_at) AS "last_failed_at!",
               replayed_at, dropped_at, drop_reason
           FROM dead_letters WHERE id = $1"#,
        id
    )
    .fetch_optional(db)
    .await
}

/// The same, locked until the transaction ends.
pub async fn get_for_update(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT id, source, position, reason, payload, subject, attempts,
               failed_at AS first_failed_at,
               COALESCE(last_failed_at, failed_at) AS "last_failed_at!",
               replayed_at, dropped_at, drop_reason
           FROM dead_letters WHERE id = $1 FOR UPDATE"#,
        id
    )
    .fetch_optional(db)
    .await
}

/// Takes note of a replay that succeeded.
pub async fn mark_replayed(db: impl PgExecutor<'_>, id: i64, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE dead_letters SET replayed_at = $2, attempts = attempts + 1
         WHERE id = $1 AND replayed_at IS NULL AND dropped_at IS NULL",
        id,
        at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes note of a replay that failed.
pub async fn mark_failed(
    db: impl PgExecutor<'_>,
    id: i64,
    reason: &str,
    at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE dead_letters SET reason = $2, last_failed_at = $3, attempts = attempts + 1
         WHERE id = $1 AND replayed_at IS NULL AND dropped_at IS NULL",
        id,
        reason,
        at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives one up; false when it was done with already.
pub async fn mark_dropped(
    db: impl PgExecutor<'_>,
    id: i64,
    why: &str,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let dropped = sqlx::query!(
        "UPDATE dead_letters SET dropped_at = $3, drop_reason = $2
         WHERE id = $1 AND replayed_at IS NULL AND dropped_at IS NULL",
        id,
        why,
        at
    );
    Ok(dropped.execute(db).await?.rows_affected() > 0)
}
