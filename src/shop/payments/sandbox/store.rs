//! The sandbox's book: one row a key.

use std::time::Duration;

use sqlx::{PgExecutor, PgPool};

use crate::{
    kernel::{clock::Timestamp, ids::OrderId, money::Money},
    shop::payments::{Booked, Charge, Refund, Refunded},
};

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

/// Gives captured money back, once a refund; never more than was captured.
pub(super) async fn refund(
    pool: &PgPool,
    key: OrderId,
    refund: Refund,
) -> Result<Refunded, sqlx::Error> {
    let mut tx = pool.begin().await?;
    // the charge's row keeps its refunds apart
    let captured = sqlx::query_scalar!(
        "SELECT amount FROM sandbox_payments WHERE key = $1 AND status = 'captured' FOR UPDATE",
        key.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(captured) = captured else {
        return Ok(Refunded::Refused("nothing was captured".to_owned()));
    };
    let before = sqlx::query!(
        r#"SELECT COALESCE(SUM(amount), 0)::bigint AS "refunded!",
               COUNT(*) FILTER (WHERE key = $2) AS "known!"
           FROM sandbox_refunds WHERE payment_key = $1"#,
        key.0,
        refund.id,
    )
    .fetch_one(&mut *tx)
    .await?;
    if before.known > 0 {
        return Ok(Refunded::Done);
    }
    if before.refunded + refund.amount.amount > captured {
        return Ok(Refunded::Refused("more than was captured".to_owned()));
    }
    sqlx::query!(
        "INSERT INTO sandbox_refunds (key, payment_key, amount) VALUES ($1, $2, $3)",
        refund.id,
        key.0,
        refund.amount.amount,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Refunded::Done)
}

/// Every charge since then. A key that was cancelled before it was used is none.
pub(super) async fn book(
    executor: impl PgExecutor<'_>,
    since: Timestamp,
) -> Result<Vec<Booked>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT p.key, p.amount, p.currency, p.status, p.known_at,
               p.known_at <= clock_timestamp() AS "known!",
               COALESCE(SUM(r.amount), 0)::bigint AS "refunded!"
           FROM sandbox_payments p LEFT JOIN sandbox_refunds r ON r.payment_key = p.key
           WHERE p.known_at >= $1 AND p.currency <> 'XXX'
           GROUP BY p.key"#,
        since,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
            Ok(Booked {
                reference: OrderId(row.key).to_string(),
                order: Some(OrderId(row.key)),
                charge: if row.known { charge(&row.status)? } else { Charge::Pending },
                amount: Money { amount: row.amount, currency },
                refunded: row.refunded,
                begun_at: row.known_at,
            })
        })
        .collect()
}
