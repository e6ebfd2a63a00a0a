//! The SQL of `webhook_deliveries` as a log.

use std::time::Duration;

use sqlx::PgExecutor;

use super::Logged;
use crate::{kernel::ids::EndpointId, platform::postgres::interval};

/// The newest `limit` deliveries to an endpoint, newest first.
pub async fn newest(
    db: impl PgExecutor<'_>,
    endpoint: EndpointId,
    limit: i64,
) -> sqlx::Result<Vec<Logged>> {
    sqlx::query_as!(
        Logged,
        "SELECT id, kind, event_id, status, attempt, created_at, tried_at, took_ms, answer,
                last_error, next_try_at
         FROM webhook_deliveries WHERE endpoint_id = $1
         ORDER BY created_at DESC, id DESC LIMIT $2",
        endpoint.0,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Forgets deliveries that were asked for longer than `age` ago and succeeded, `limit` at most; says
/// how many.
pub async fn forget(db: impl PgExecutor<'_>, age: Duration, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM webhook_deliveries WHERE id IN
             (SELECT id FROM webhook_deliveries
              WHERE status = 'delivered' AND created_at < clock_timestamp() - $1::interval
              LIMIT $2)",
        interval(age)?,
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
