//! The SQL of `mails`. Leases are by Postgres' clock alone.

use std::time::Duration;

use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Backlog, Mail, Topic};
use crate::{
    kernel::ids::{EndpointId, OrderId},
    platform::postgres::interval,
};

/// Asks for a mail. One of its kind about the same event is already enough.
pub async fn insert(
    db: impl PgExecutor<'_>,
    id: Uuid,
    event: Uuid,
    topic: Topic,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO mails (id, kind, event_id, order_id, amount_minor, endpoint_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT mails_event_key DO NOTHING",
        id,
        topic.kind(),
        event,
        topic.order().map(|order| order.0),
        topic.amount(),
        topic.endpoint().map(|endpoint| endpoint.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes over mails that are due, the longest waiting first, `limit` at most. What somebody else is
/// just taking is passed by: each has one owner while a lease holds.
pub async fn take_over(
    db: impl PgExecutor<'_>,
    limit: i64,
    lease: Duration,
) -> sqlx::Result<Vec<Mail>> {
    let rows = sqlx::query_as!(
        Row,
        "UPDATE mails m SET attempt = m.attempt + 1, next_try_at = clock_timestamp() + $2
         FROM (SELECT id FROM mails
               WHERE status = 'waiting' AND next_try_at <= clock_timestamp()
               ORDER BY next_try_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
         WHERE m.id = due.id
         RETURNING m.id, m.kind, m.order_id, m.amount_minor, m.endpoint_id, m.attempt,
                   m.failures",
        limit,
        interval(lease)?,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// It was sent. Says whether this owner still was the owner.
pub async fn sent(db: impl PgExecutor<'_>, mail: &Mail) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE mails SET status = 'sent', done_at = clock_timestamp(), last_error = NULL
         WHERE id = $1 AND attempt = $2 AND status = 'waiting'",
        mail.id,
        mail.attempt,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It is tried again after `pause`. What was not the mail's own failure does not count.
pub async fn put_off(
    db: impl PgExecutor<'_>,
    mail: &Mail,
    pause: Duration,
    counts: bool,
    error: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE mails SET next_try_at = clock_timestamp() + $3, last_error = $4,
                          failures = failures + CASE WHEN $5 THEN 1 ELSE 0 END
         WHERE id = $1 AND attempt = $2 AND status = 'waiting'",
        mail.id,
        mail.attempt,
        interval(pause)?,
        error,
        counts,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// It is given up. Says whether this owner still was the owner.
pub async fn give_up(db: impl PgExecutor<'_>, mail: &Mail, error: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE mails SET status = 'dead', done_at = clock_timestamp(), last_error = $3
         WHERE id = $1 AND attempt = $2 AND status = 'waiting'",
        mail.id,
        mail.attempt,
        error,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One that was given up is tried from the beginning. Says whether there is one.
pub async fn revive(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE mails SET status = 'waiting', done_at = NULL, failures = 0,
                          next_try_at = clock_timestamp()
         WHERE id = $1 AND status = 'dead'",
        id,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What waits.
pub async fn backlog(db: impl PgExecutor<'_>) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"SELECT COUNT(*) AS "waiting!", MIN(created_at) AS oldest
           FROM mails WHERE status = 'waiting'"#
    )
    .fetch_one(db)
    .await
}

/// Forgets mails that were sent longer than `age` ago, `limit` at most; says how many.
pub async fn forget(db: impl PgExecutor<'_>, age: Duration, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM mails WHERE id IN
             (SELECT id FROM mails WHERE status = 'sent' AND done_at < clock_timestamp() - $1::interval
              LIMIT $2)",
        interval(age)?,
        limit,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

struct Row {
    id: Uuid,
    kind: String,
    order_id: Option<Uuid>,
    amount_minor: Option<i64>,
    endpoint_id: Option<Uuid>,
    attempt: i32,
    failures: i32,
}

impl Row {
    fn read(self) -> sqlx::Result<Mail> {
        let (order, endpoint) = (self.order_id.map(OrderId), self.endpoint_id.map(EndpointId));
        let topic = match (order, self.amount_minor, endpoint) {
            (Some(order), Some(amount), _) => Topic::OrderRefunded(order, amount),
            (Some(order), None, _) if self.kind == Topic::OrderPaid(order).kind() => {
                Topic::OrderPaid(order)
            }
            (Some(order), None, _) => Topic::PaymentFailed(order),
            (None, _, Some(endpoint)) => Topic::EndpointDisabled(endpoint),
            (None, _, None) => {
                return Err(sqlx::Error::Decode("a mail tells of nothing".into()));
            }
        };
        Ok(Mail { id: self.id, topic, attempt: self.attempt, failures: self.failures })
    }
}
