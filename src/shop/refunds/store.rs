//! The SQL of `refunds`. Leases are by Postgres' clock alone.

use std::time::Duration;

use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use super::{Refund, RefundLines, Step};
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{OrderId, RefundId},
    },
    platform::postgres::interval,
};

/// Puts a refund on record, in the hands of its first owner.
pub async fn insert(db: impl PgExecutor<'_>, refund: &Refund, lease: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO refunds (id, order_id, amount_minor, lines, reason, step, created_at, attempt,
                              lease_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + $9)",
        refund.id,
        refund.order.0,
        refund.amount,
        Json(&refund.lines) as _,
        refund.reason,
        refund.step.as_str(),
        refund.created_at,
        refund.attempt,
        interval(lease)?,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The refunds of an order, the oldest first.
pub async fn of_order(db: impl PgExecutor<'_>, order: OrderId) -> sqlx::Result<Vec<Refund>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, order_id, amount_minor, lines AS "lines: Json<RefundLines>", reason, step,
               failure, attempt, tries, created_at, refunded_at
           FROM refunds WHERE order_id = $1 ORDER BY created_at, id"#,
        order.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// Moves on to the next step and renews the lease, if this owner still is the owner.
pub async fn advance(
    db: impl PgExecutor<'_>,
    refund: &Refund,
    next: Step,
    lease: Duration,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE refunds SET step = $4, tries = 0, lease_until = clock_timestamp() + $5
         WHERE id = $1 AND step = $2 AND attempt = $3",
        refund.id,
        refund.step.as_str(),
        refund.attempt,
        next.as_str(),
        interval(lease)?,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes note that the money was given back; in the transaction that moves on.
pub async fn refunded(db: impl PgExecutor<'_>, id: RefundId, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!("UPDATE refunds SET refunded_at = $2 WHERE id = $1", id, now).execute(db).await?;
    Ok(())
}

/// Takes note of why it was refused; in the transaction that moves on.
pub async fn refused(db: impl PgExecutor<'_>, id: RefundId, why: &str) -> sqlx::Result<()> {
    sqlx::query!("UPDATE refunds SET failure = $2 WHERE id = $1", id, why).execute(db).await?;
    Ok(())
}

/// Gives a refund up, to be taken over after `pause`; `None` leaves it until it is woken. False if
/// somebody else has it.
pub async fn leave(
    db: impl PgExecutor<'_>,
    refund: &Refund,
    pause: Option<Duration>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE refunds SET attempt = attempt + 1, tries = tries + 1, owned = false,
             lease_until = COALESCE(clock_timestamp() + $3, 'infinity')
         WHERE id = $1 AND attempt = $2",
        refund.id,
        refund.attempt,
        pause.map(interval).transpose()?,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Has the refunds of an order taken up at once that nobody carries.
pub async fn wake(db: impl PgExecutor<'_>, order: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE refunds SET lease_until = clock_timestamp(), tries = 0
         WHERE order_id = $1 AND step IN ('refund', 'restock') AND NOT owned",
        order.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes over refunds whose lease is over, the longest waiting first, `limit` at most.
pub async fn take_over(
    db: impl PgExecutor<'_>,
    limit: i64,
    length: Duration,
) -> sqlx::Result<Vec<Refund>> {
    let rows = sqlx::query_as!(
        Row,
        r#"UPDATE refunds r SET attempt = r.attempt + 1, owned = true,
               lease_until = clock_timestamp() + $2
           FROM (SELECT id FROM refunds
                 WHERE step IN ('refund', 'restock') AND lease_until < clock_timestamp()
                 ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED) due
           WHERE r.id = due.id
           RETURNING r.id, r.order_id, r.amount_minor, r.lines AS "lines: Json<RefundLines>",
               r.reason, r.step, r.failure, r.attempt, r.tries, r.created_at, r.refunded_at"#,
        limit,
        interval(length)?,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

struct Row {
    id: Uuid,
    order_id: Uuid,
    amount_minor: i64,
    lines: Json<RefundLines>,
    reason: Option<String>,
    step: String,
    failure: Option<String>,
    attempt: i32,
    tries: i32,
    created_at: Timestamp,
    refunded_at: Option<Timestamp>,
}

impl Row {
    fn read(self) -> sqlx::Result<Refund> {
        Ok(Refund {
            id: self.id,
            order: OrderId(self.order_id),
            amount: self.amount_minor,
            lines: self.lines.0,
            reason: self.reason,
            step: Step::parse(&self.step)
                .ok_or_else(|| sqlx::Error::Decode("unknown step of a refund".into()))?,
            failure: self.failure,
            attempt: self.attempt,
            tries: self.tries,
            created_at: self.created_at,
            refunded_at: self.refunded_at,
        })
    }
}
