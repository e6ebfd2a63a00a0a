//! The SQL of `webhook_deliveries` as a queue. Leases are by Postgres' clock alone.

use std::time::Duration;

use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Delivery, SigningKey};
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{DeliveryId, EndpointId},
    },
    platform::postgres::interval,
};

/// An endpoint that may be sent something, and how much more of it may be under way.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// How many deliveries of it may be taken over.
    pub free: i64,
}

/// How a try went.
#[derive(Debug, Clone)]
pub struct Tried<'a> {
    /// How long it took, in milliseconds.
    pub took_ms: i32,
    /// What the endpoint answered, if it did.
    pub answer: Option<i16>,
    /// Why that was not enough.
    pub error: Option<&'a str>,
}

/// Endpoints that are enabled.
pub async fn endpoints(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<EndpointId>> {
    let ids = sqlx::query_scalar!("SELECT id FROM webhook_endpoints WHERE disabled_at IS NULL");
    Ok(ids.fetch_all(db).await?.into_iter().map(EndpointId).collect())
}

/// Enabled endpoints that ask for events of a type.
pub async fn asking(db: impl PgExecutor<'_>, kind: &str) -> sqlx::Result<Vec<EndpointId>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM webhook_endpoints
         WHERE disabled_at IS NULL AND (events = '{}' OR $1 = ANY(events))",
        kind
    );
    Ok(ids.fetch_all(db).await?.into_iter().map(EndpointId).collect())
}

/// Asks for deliveries of an event. One to each endpoint is already enough.
pub async fn insert(
    db: impl PgExecutor<'_>,
    deliveries: &[(DeliveryId, EndpointId)],
    (event, kind, body): (Uuid, &str, &[u8]),
) -> sqlx::Result<()> {
    let (ids, endpoints): (Vec<Uuid>, Vec<Uuid>) =
        deliveries.iter().map(|(id, endpoint)| (id.0, endpoint.0)).unzip();
    sqlx::query!(
        "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, kind, body)
         SELECT one.id, one.endpoint, $3, $4, $5
         FROM UNNEST($1::uuid[], $2::uuid[]) AS one (id, endpoint)
         ON CONFLICT ON CONSTRAINT webhook_deliveries_event_key DO NOTHING",
        &ids,
        &endpoints,
        event,
        kind,
        body,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes over deliveries that are due: of each endpoint as many as it has room for, the longest
/// waiting first. What somebody else is just taking is passed by: each has one owner while a lease
/// holds.
pub async fn take_over(
    db: impl PgExecutor<'_>,
    rooms: &[Room],
    lease: Duration,
) -> sqlx::Result<Vec<Delivery>> {
    let (endpoints, free): (Vec<Uuid>, Vec<i64>) =
        rooms.iter().map(|room| (room.endpoint.0, room.free)).unzip();
    let rows = sqlx::query_as!(
        Row,
        "UPDATE webhook_deliveries d
         SET attempt = d.attempt + 1, next_try_at = clock_timestamp() + $3
         FROM webhook_endpoints e,
              UNNEST($1::uuid[], $2::bigint[]) AS room (endpoint, free)
              CROSS JOIN LATERAL (
                  SELECT id FROM webhook_deliveries
                  WHERE endpoint_id = room.endpoint AND status = 'waiting'
                    AND next_try_at <= clock_timestamp()
                  ORDER BY next_try_at LIMIT room.free FOR UPDATE SKIP LOCKED) due
         WHERE d.id = due.id AND e.id = d.endpoint_id AND e.disabled_at IS NULL
         RETURNING d.id, d.endpoint_id, d.kind, d.body, d.attempt, e.url, e.secret,
                   CASE WHEN e.previous_until > clock_timestamp() THEN e.previous_secret END
                       AS previous",
        &endpoints,
        &free,
        interval(lease)?,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Row::read).collect())
}

/// It was taken, and its endpoint does well. One statement, for this is what happens most.
pub async fn delivered(
    db: impl PgExecutor<'_>,
    delivery: &Delivery,
    tried: &Tried<'_>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH done AS (
             UPDATE webhook_deliveries
             SET status = 'delivered', tried_at = clock_timestamp(), took_ms = $3, answer = $4,
                 last_error = NULL
             WHERE id = $1 AND attempt = $2 AND status = 'waiting'
             RETURNING endpoint_id)
         UPDATE webhook_endpoints e SET failing_since = NULL
         FROM done WHERE e.id = done.endpoint_id AND e.failing_since IS NOT NULL",
        delivery.id.0,
        delivery.attempt,
        tried.took_ms,
        tried.answer,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// It is given up. Says whether this owner still was the owner.
pub async fn give_up(
    db: impl PgExecutor<'_>,
    delivery: &Delivery,
    tried: &Tried<'_>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE webhook_deliveries
         SET status = 'dead', tried_at = clock_timestamp(), took_ms = $3, answer = $4,
             last_error = $5
         WHERE id = $1 AND attempt = $2 AND status = 'waiting'",
        delivery.id.0,
        delivery.attempt,
        tried.took_ms,
        tried.answer,
        tried.error,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It is tried again after `pause`. Says whether this owner still was the owner.
pub async fn put_off(
    db: impl PgExecutor<'_>,
    delivery: &Delivery,
    pause: Duration,
    tried: &Tried<'_>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE webhook_deliveries
         SET next_try_at = clock_timestamp() + $3, tried_at = clock_timestamp(), took_ms = $4,
             answer = $5, last_error = $6
         WHERE id = $1 AND attempt = $2 AND status = 'waiting'",
        delivery.id.0,
        delivery.attempt,
        interval(pause)?,
        tried.took_ms,
        tried.answer,
        tried.error,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One that was given up is tried from the beginning. Says whether there is one.
pub async fn revive(db: impl PgExecutor<'_>, id: DeliveryId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE webhook_deliveries
         SET status = 'waiting', attempt = 0, next_try_at = clock_timestamp()
         WHERE id = $1 AND status = 'dead'",
        id.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) fn keys(newest: Vec<u8>, previous: Option<Vec<u8>>) -> Vec<SigningKey> {
    std::iter::once(newest).chain(previous).map(SigningKey::from_row).collect()
}

struct Row {
    id: Uuid,
    endpoint_id: Uuid,
    kind: String,
    body: Vec<u8>,
    attempt: i32,
    url: String,
    secret: Vec<u8>,
    previous: Option<Vec<u8>>,
}

impl Row {
    fn read(self) -> Delivery {
        Delivery {
            id: DeliveryId(self.id),
            endpoint: EndpointId(self.endpoint_id),
            url: self.url,
            keys: keys(self.secret, self.previous),
            kind: self.kind,
            body: self.body,
            attempt: self.attempt,
        }
    }
}

/// What waits for endpoints that are enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries.
    pub waiting: i64,
    /// When the oldest of them was asked for.
    pub oldest: Option<Timestamp>,
}

/// What waits for endpoints that are enabled.
pub async fn backlog(db: impl PgExecutor<'_>) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT COUNT(*) AS "waiting!", MIN(d.created_at) AS oldest
           FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
           WHERE d.status = 'waiting' AND e.disabled_at IS NULL"#
    )
    .fetch_one(db)
    .await
}
