//! The SQL of `checkouts`. Leases are by Postgres' clock alone.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor, postgres::types::PgInterval};
use uuid::Uuid;

use super::model::{Ending, Lease, Saga, Step};
use crate::{
    kernel::ids::{Bucket, OrderId, SaleId, ShopperId},
    shop::orders::{self, OrderStatus},
};

/// Puts a checkout on record, in the hands of its first owner.
pub(super) async fn insert(
    executor: impl PgExecutor<'_>,
    saga: &Saga,
    lease: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO checkouts (order_id, sale_id, bucket, shopper_id, step, attempt, lease_until,
                                payment_method)
         VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7, $8)",
        saga.order.0,
        saga.sale.0,
        i16::try_from(saga.bucket.number).map_err(encode)?,
        saga.shopper.0,
        saga.step.as_str(),
        saga.attempt,
        interval(lease)?,
        saga.method.as_str(),
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Moves on to the next step and renews the lease, if this owner still is the owner.
pub(super) async fn advance(
    executor: impl PgExecutor<'_>,
    saga: &Saga,
    next: Step,
    lease: Duration,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE checkouts SET step = $4, lease_until = clock_timestamp() + $5
         WHERE order_id = $1 AND step = $2 AND attempt = $3",
        saga.order.0,
        saga.step.as_str(),
        saga.attempt,
        next.as_str(),
        interval(lease)?,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what an undone checkout ends as; in the transaction that moves on to the undoing.
pub(super) async fn set_ending(
    executor: impl PgExecutor<'_>,
    order: OrderId,
    ending: &Ending,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE checkouts SET outcome = $2, reason = $3 WHERE order_id = $1",
        order.0,
        ending.status.as_str(),
        ending.reason,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Gives a checkout up, to be taken over after `pause`. The attempt grows, so that nobody takes it
/// for one that its first owner still carries.
pub(super) async fn leave(
    executor: impl PgExecutor<'_>,
    order: OrderId,
    attempt: i32,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE checkouts SET attempt = attempt + 1, lease_until = clock_timestamp() + $3
         WHERE order_id = $1 AND attempt = $2",
        order.0,
        attempt,
        interval(pause)?,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Whether the owner who made the order still carries its checkout.
pub(super) async fn is_with_first_owner(
    executor: impl PgExecutor<'_>,
    order: OrderId,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT step <> 'done' AND attempt = $2 AND lease_until > clock_timestamp() AS "is!"
           FROM checkouts WHERE order_id = $1"#,
        order.0,
        Saga::FIRST_ATTEMPT,
    )
    .fetch_optional(executor)
    .await?;
    Ok(found.unwrap_or(false))
}

/// Takes over checkouts whose lease is over, the longest waiting first, `limit` at most. One
/// statement, and what somebody else is just taking is passed by: each has one new owner.
pub(super) async fn take_over(
    conn: &mut PgConnection,
    limit: i64,
    length: Duration,
) -> Result<Vec<Saga>, sqlx::Error> {
    let lease = Lease::of(length);
    let rows = sqlx::query_as!(
        Row,
        "UPDATE checkouts c SET attempt = c.attempt + 1, lease_until = clock_timestamp() + $2
         FROM (SELECT order_id FROM checkouts
               WHERE step <> 'done' AND lease_until < clock_timestamp()
               ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED) due, sales s
         WHERE c.order_id = due.order_id AND s.id = c.sale_id
         RETURNING c.order_id, c.sale_id, s.slug, c.bucket, c.shopper_id, c.step, c.attempt,
                   c.payment_method, c.outcome, c.reason",
        limit,
        interval(length)?,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut sagas = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.order_id;
        match row.read(conn, lease).await {
            Ok(saga) => sagas.push(saga),
            // One row that cannot be read does not keep the others waiting.
            Err(error @ sqlx::Error::Decode(_)) => {
                tracing::error!(order = %OrderId(id), %error, "a checkout cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sagas)
}

struct Row {
    order_id: Uuid,
    sale_id: i64,
    slug: String,
    bucket: i16,
    shopper_id: Uuid,
    step: String,
    attempt: i32,
    payment_method: String,
    outcome: Option<String>,
    reason: Option<String>,
}

impl Row {
    async fn read(self, conn: &mut PgConnection, lease: Lease) -> Result<Saga, sqlx::Error> {
        let order = orders::store::by_id(conn, OrderId(self.order_id))
            .await?
            .ok_or_else(|| unknown("order"))?;
        let ending = match (self.outcome, self.reason) {
            (Some(outcome), Some(reason)) => {
                let status = OrderStatus::parse(&outcome).ok_or_else(|| unknown("outcome"))?;
                Some(Ending { status, reason })
            }
            _ => None,
        };
        Ok(Saga {
            order: order.id,
            sale: SaleId(self.sale_id),
            bucket: Bucket {
                sale: self.slug.parse().map_err(decode)?,
                number: self.bucket.try_into().map_err(decode)?,
            },
            shopper: ShopperId(self.shopper_id),
            step: Step::parse(&self.step).ok_or_else(|| unknown("step"))?,
            attempt: self.attempt,
            lease,
            method: self.payment_method.parse().map_err(decode)?,
            total: order.total,
            wanted: order.lines.into_iter().map(|line| (line.sku, line.quantity)).collect(),
            ending,
            settled: None,
        })
    }
}

fn interval(length: Duration) -> Result<PgInterval, sqlx::Error> {
    PgInterval::try_from(length).map_err(sqlx::Error::Encode)
}

fn unknown(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("unknown {what} of a checkout").into())
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn encode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
