//! The sandbox's book: one row a key.

use std::time::Duration;

use sqlx::PgExecutor;

use super::Charge;
use crate::kernel::{ids::OrderId, money::Money};

/// Enters a charge unless its key has a row, and says how long until the outcome is known.
pub(super) async fn enter(
    executor: impl PgExecutor<'_>,
    key: OrderId,
    amount: Money,
    declined: bool,
    known_after: Duration,
) -> Result<Duration, sqlx::Error> {
    // The update changes nothing: it is there because only a row that was touched is returned.
    let left = sqlx::query_scalar!(
        r#"INSERT INTO sandbox_payments AS charge (key, amount, currency, status, known_at)
           VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
           ON CONFLICT ON CONSTRAINT sandbox_payments_pkey DO UPDATE SET key = charge.key
           RETURNING EXTRACT(EPOCH FROM known_at - clock_timestamp())::float8 AS "left!""#,
        key.0,
        amount.amount,
        amount.currency.to_string(),
        if declined { "declined" } else { "authorised" },
        known_after.as_secs_f64(),
    )
    .fetch_one(executor)
    .await?;
    Ok(Duration::try_from_secs_f64(left).unwrap_or_default())
}

/// What is known of a key by now.
pub(super) async fn read(
    executor: impl PgExecutor<'_>,
    key: OrderId,
) -> Result<Charge, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT status, known_at <= clock_timestamp() AS "known!"
           FROM sandbox_payments WHERE key = $1"#,
        key.0,
    )
    .fetch_optional(executor)
    .await?;
    match row {
        None => Ok(Charge::Unknown),
        Some(row) if !row.known => Ok(Charge::Pending),
        Some(row) => charge(&row.status),
    }
}

/// Takes what is authorised, and known to be.
pub(super) async fn capture(
    executor: impl PgExecutor<'_>,
    key: OrderId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sandbox_payments SET status = 'captured'
         WHERE key = $1 AND status = 'authorised' AND known_at <= clock_timestamp()",
        key.0,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Cancels a key. One that was never used gets a row of no money (`XXX` is ISO 4217's name for no
/// currency), which is what a late authorisation will find.
pub(super) async fn void(
    executor: impl PgExecutor<'_>,
    key: OrderId,
) -> Result<Charge, sqlx::Error> {
    let status = sqlx::query_scalar!(
        "INSERT INTO sandbox_payments AS charge (key, amount, currency, status, known_at)
         VALUES ($1, 0, 'XXX', 'voided', clock_timestamp())
         ON CONFLICT ON CONSTRAINT sandbox_payments_pkey DO UPDATE SET
             status = CASE charge.status WHEN 'authorised' THEN 'voided' ELSE charge.status END,
             known_at = LEAST(charge.known_at, clock_timestamp())
         RETURNING status",
        key.0,
    )
    .fetch_one(executor)
    .await?;
    charge(&status)
}

fn charge(status: &str) -> Result<Charge, sqlx::Error> {
    match status {
        "authorised" => Ok(Charge::Authorised),
        "declined" => Ok(Charge::Declined("card_declined")),
        "captured" => Ok(Charge::Captured),
        "voided" => Ok(Charge::Voided),
        other => Err(sqlx::Error::Decode(format!("unknown charge status {other}").into())),
    }
}

/// Charges and orders that do not account for each other, as sentences. An order whose checkout is
/// under way is left out.
pub async fn unaccounted(executor: impl PgExecutor<'_>) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT COALESCE(o.id, p.key) AS "id!", o.status AS "order_status?", o.total_minor AS "total?",
               p.status AS "charge_status?", p.amount AS "amount?"
           FROM orders o FULL JOIN sandbox_payments p ON p.key = o.id
           LEFT JOIN checkouts c ON c.order_id = COALESCE(o.id, p.key)
           WHERE c.step IS NOT DISTINCT FROM 'done' AND (
               (o.status = 'paid') IS DISTINCT FROM (COALESCE(p.status, '') = 'captured')
               OR (p.status = 'captured' AND p.amount <> o.total_minor)
               OR p.status = 'authorised'
           ) OR c.order_id IS NULL AND p.status IN ('authorised', 'captured')
           LIMIT 1000"#
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            format!(
                "{}: order {} of {}, charge {} of {}",
                OrderId(row.id),
                row.order_status.as_deref().unwrap_or("none"),
                row.total.unwrap_or_default(),
                row.charge_status.as_deref().unwrap_or("none"),
                row.amount.unwrap_or_default(),
            )
        })
        .collect())
}
