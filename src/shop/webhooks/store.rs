//! The SQL of `webhook_endpoints`. Times are Postgres' own.

use std::time::Duration;

use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Disabled, Endpoint, NewEndpoint, SigningKey};
use crate::{
    kernel::{clock::Timestamp, ids::EndpointId},
    platform::postgres::interval,
};

/// Adds an endpoint, unless `limit` are enabled already. Says whether it was added.
pub async fn insert(
    db: impl PgExecutor<'_>,
    endpoint: &NewEndpoint,
    limit: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO webhook_endpoints (id, url, events, secret)
         SELECT $1, $2, $3, $4
         WHERE (SELECT COUNT(*) FROM webhook_endpoints WHERE disabled_at IS NULL) < $5",
        endpoint.id.0,
        endpoint.url.as_str(),
        &endpoint.events,
        endpoint.key.bytes(),
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Every endpoint, oldest first.
pub async fn all(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Endpoint>> {
    of(db, None).await
}

/// One of them.
pub async fn get(db: impl PgExecutor<'_>, id: EndpointId) -> sqlx::Result<Option<Endpoint>> {
    Ok(of(db, Some(id)).await?.pop())
}

async fn of(db: impl PgExecutor<'_>, id: Option<EndpointId>) -> sqlx::Result<Vec<Endpoint>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT e.id, e.url, e.events, e.secret, e.created_at, e.failing_since, e.disabled_at,
                  e.disabled_why,
                  CASE WHEN e.previous_until > clock_timestamp() THEN e.previous_secret END
                      AS previous,
                  (SELECT COUNT(*) FROM webhook_deliveries d
                   WHERE d.endpoint_id = e.id AND d.status = 'waiting') AS "waiting!"
           FROM webhook_endpoints e WHERE $1::uuid IS NULL OR e.id = $1
           ORDER BY e.created_at, e.id"#,
        id.map(|id| id.0),
    );
    rows.fetch_all(db).await?.into_iter().map(Row::read).collect()
}

/// Signs with `key` from now on, and with the one before it for `overlap` more. Says whether there
/// is such an endpoint.
pub async fn rotate(
    db: impl PgExecutor<'_>,
    id: EndpointId,
    key: &SigningKey,
    overlap: Duration,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE webhook_endpoints SET previous_secret = secret,
                previous_until = clock_timestamp() + $3, secret = $2
         WHERE id = $1",
        id.0,
        key.bytes(),
        interval(overlap)?,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Disables an endpoint. Says whether it was enabled before.
pub async fn disable(db: impl PgExecutor<'_>, id: EndpointId, why: Disabled) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE webhook_endpoints SET disabled_at = clock_timestamp(), disabled_why = $2
         WHERE id = $1 AND disabled_at IS NULL",
        id.0,
        why.as_str(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Enables an endpoint with a clean slate, unless `limit` others are enabled already. Says whether
/// it was disabled before, and is not any more.
pub async fn enable(db: impl PgExecutor<'_>, id: EndpointId, limit: i64) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE webhook_endpoints
         SET disabled_at = NULL, disabled_why = NULL, failing_since = NULL
         WHERE id = $1 AND disabled_at IS NOT NULL
           AND (SELECT COUNT(*) FROM webhook_endpoints WHERE disabled_at IS NULL) < $2",
        id.0,
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes note that an endpoint failed. Says whether it has done nothing else for `limit`.
pub async fn failed(
    db: impl PgExecutor<'_>,
    id: EndpointId,
    limit: Duration,
) -> sqlx::Result<bool> {
    let too_long = sqlx::query_scalar!(
        r#"UPDATE webhook_endpoints
           SET failing_since = COALESCE(failing_since, clock_timestamp())
           WHERE id = $1 RETURNING failing_since < clock_timestamp() - $2::interval AS "late!""#,
        id.0,
        interval(limit)?,
    )
    .fetch_optional(db)
    .await?;
    Ok(too_long.unwrap_or(false))
}

struct Row {
    id: Uuid,
    url: String,
    events: Vec<String>,
    secret: Vec<u8>,
    previous: Option<Vec<u8>>,
    created_at: Timestamp,
    failing_since: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    disabled_why: Option<String>,
    waiting: i64,
}

impl Row {
    fn read(self) -> sqlx::Result<Endpoint> {
        let disabled = match (self.disabled_at, self.disabled_why) {
            (Some(at), Some(why)) => {
                let why = Disabled::parse(&why)
                    .ok_or_else(|| sqlx::Error::Decode("unknown reason of an endpoint".into()))?;
                Some((at, why))
            }
            _ => None,
        };
        Ok(Endpoint {
            id: EndpointId(self.id),
            url: self.url,
            events: self.events,
            keys: super::queue::keys(self.secret, self.previous),
            created_at: self.created_at,
            failing_since: self.failing_since,
            disabled,
            waiting: self.waiting,
        })
    }
}
