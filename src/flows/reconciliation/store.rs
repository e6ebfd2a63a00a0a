//! What an audit reads of orders and their sagas.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::payments::{Checkout, OnRecord};
use crate::{
    kernel::{clock::Timestamp, ids::OrderId, money::Money},
    shop::orders::OrderStatus,
};

/// Orders made since then, and those of `also`.
pub(super) async fn orders(
    db: impl PgExecutor<'_>,
    since: Option<Timestamp>,
    also: &[OrderId],
) -> sqlx::Result<Vec<OnRecord>> {
    let also: Vec<Uuid> = also.iter().map(|order| order.0).collect();
    let rows = sqlx::query!(
        r#"SELECT o.id, s.slug, o.status, o.currency, o.total_minor, o.refunded_minor, o.provider,
               o.payment_reference, COALESCE(c.payment_method, '') AS "method!",
               CASE WHEN COALESCE(c.step = 'done', true) THEN 'done'
                   WHEN c.parked_at IS NOT NULL THEN 'parked'
                   WHEN c.lease_until < clock_timestamp() - interval '1 minute' THEN 'abandoned'
                   ELSE 'under way' END AS "checkout!",
               EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = o.id
                   AND r.step IN ('refund', 'restock')) AS "refunding!"
           FROM orders o JOIN sales s ON s.id = o.sale_id
           LEFT JOIN checkouts c ON c.order_id = o.id
           WHERE o.created_at >= $1 OR o.id = ANY($2)"#,
        since,
        &also,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse().map_err(decode)?;
            Ok(OnRecord {
                order: OrderId(row.id),
                sale: row.slug.parse().map_err(decode)?,
                status: OrderStatus::parse(&row.status)
                    .ok_or_else(|| sqlx::Error::Decode("unknown order status".into()))?,
                total: Money { amount: row.total_minor, currency },
                refunded: row.refunded_minor,
                provider: row.provider,
                reference: row.payment_reference,
                method: row.method,
                checkout: match row.checkout.as_str() {
                    "done" => Checkout::Done,
                    "parked" => Checkout::Parked,
                    "abandoned" => Checkout::Abandoned,
                    _ => Checkout::UnderWay,
                },
                refunding: row.refunding,
            })
        })
        .collect()
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
