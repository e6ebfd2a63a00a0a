//! The SQL of `checkouts`. Leases are by Postgres' clock alone.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::model::{Ending, Saga, Step};
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{Bucket, OrderId, SaleId, ShopperId},
    },
    platform::{lease::Lease, postgres::interval},
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

/// Moves on to the next step and renews the lease, if this owner still is the owner; `None` if he
/// is not. Says whether the merchant wants the order to come to nothing.
pub(super) async fn advance(
    executor: impl PgExecutor<'_>,
    saga: &Saga,
    next: Step,
    lease: Duration,
) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE checkouts SET step = $4, tries = 0, lease_until = clock_timestamp() + $5
         WHERE order_id = $1 AND step = $2 AND attempt = $3
         RETURNING cancelled",
        saga.order.0,
        saga.step.as_str(),
        saga.attempt,
        next.as_str(),
        interval(lease)?,
    )
    .fetch_optional(executor)
    .await
}

/// Turns a checkout back that has just moved on; in the same transaction.
pub(super) async fn turn_back(
    executor: impl PgExecutor<'_>,
    order: OrderId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE checkouts SET step = 'void' WHERE order_id = $1", order.0)
        .execute(executor)
        .await?;
    Ok(())
}

/// Asks for the order to come to nothing. False if it is too late for that, or done already.
pub(super) async fn cancel(
    executor: impl PgExecutor<'_>,
    order: OrderId,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE checkouts SET cancelled = true, tries = 0, parked_at = NULL,
             lease_until = CASE WHEN owned THEN lease_until ELSE clock_timestamp() END
         WHERE order_id = $1 AND step IN ('begin', 'prepare', 'authorise', 'settle')",
        order.0,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Has a checkout that nobody carries taken up at once: something was heard of it. One that is
/// carried, or done, is left alone.
pub(super) async fn wake(executor: impl PgExecutor<'_>, order: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE checkouts SET lease_until = clock_timestamp(), tries = 0, parked_at = NULL
         WHERE order_id = $1 AND step <> 'done' AND NOT owned",
        order.0,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Lets nobody take a checkout up any more, until it is woken. False if somebody else has it.
pub(super) async fn park(executor: impl PgExecutor<'_>, saga: &Saga) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE checkouts SET attempt = attempt + 1, owned = false, parked_at = clock_timestamp(),
             lease_until = 'infinity'
         WHERE order_id = $1 AND attempt = $2 AND step <> 'done'",
        saga.order.0,
        saga.attempt,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How a checkout stands, for people: step, tries, and since when nobody tries any more.
pub(super) async fn state(
    executor: impl PgExecutor<'_>,
    order: OrderId,
) -> Result<Option<State>, sqlx::Error> {
    sqlx::query_as!(
        State,
        r#"SELECT step, attempt, tries, cancelled, payment_method, parked_at FROM checkouts
           WHERE order_id = $1"#,
        order.0,
    )
    .fetch_optional(executor)
    .await
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
    saga: &Saga,
    tries: i32,
    pause: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE checkouts SET attempt = attempt + 1, owned = false, tries = $3,
             lease_until = clock_timestamp() + $4
         WHERE order_id = $1 AND attempt = $2",
        saga.order.0,
        saga.attempt,
        tries,
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
    take_over_of(conn, None, limit, length).await
}

/// The same for one order.
pub(super) async fn take_over_one(
    conn: &mut PgConnection,
    order: OrderId,
    length: Duration,
) -> Result<Vec<Saga>, sqlx::Error> {
    take_over_of(conn, Some(order), 1, length).await
}

async fn take_over_of(
    conn: &mut PgConnection,
    order: Option<OrderId>,
    limit: i64,
    length: Duration,
) -> Result<Vec<Saga>, sqlx::Error> {
    let lease = Lease::of(length);
    let rows = sqlx::query_as!(
        Row,
        "UPDATE checkouts c SET attempt = c.attempt + 1, owned = true,
             lease_until = clock_timestamp() + $2
         FROM (SELECT order_id FROM checkouts
               WHERE step <> 'done' AND lease_until < clock_timestamp()
                   AND ($3::uuid IS NULL OR order_id = $3)
               ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED) due, sales s
         WHERE c.order_id = due.order_id AND s.id = c.sale_id
         RETURNING c.order_id, c.sale_id, s.slug, c.bucket, c.shopper_id, c.step, c.attempt,
                   c.tries, c.cancelled, c.payment_method, c.outcome, c.reason",
        limit,
        interval(length)?,
        order.map(|order| order.0),
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

/// How a checkout stands.
#[derive(Debug, Clone)]
pub struct State {
    /// What is about to be done.
    pub step: String,
    /// How many owners it had.
    pub attempt: i32,
    /// Tries at this step that came to nothing.
    pub tries: i32,
    /// The merchant wants it to come to nothing.
    pub cancelled: bool,
    /// How it is paid.
    pub payment_method: String,
    /// Since when nobody tries any more.
    pub parked_at: Option<Timestamp>,
}

struct Row {
    order_id: Uuid,
    sale_id: i64,
    slug: String,
    bucket: i16,
    shopper_id: Uuid,
    step: String,
    attempt: i32,
    tries: i32,
    cancelled: bool,
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
            tries: self.tries,
            cancelled: self.cancelled,
            provider: order.provider,
            method: self.payment_method.parse().map_err(decode)?,
            reference: order.payment_reference,
            total: order.total,
            lines: order.lines,
            created_at: order.created_at,
            ending,
            settled: None,
        })
    }
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
