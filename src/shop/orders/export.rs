//! A sale's orders and their lines as rows, for whoever ships the goods: with the buyers' addresses.
//! Read as a stream, so that a sale of any size takes the same memory.

use futures_util::Stream;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::kernel::{clock::Timestamp, ids::SaleId};

/// An order. Amounts are minor units of its currency.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are the columns of `orders`")]
pub struct OrderRow {
    pub id: Uuid,
    pub status: String,
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub paid_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub shopper_id: Uuid,
    pub email: String,
    pub shipping_name: Option<String>,
    pub shipping_line1: Option<String>,
    pub shipping_city: Option<String>,
    pub shipping_postal_code: Option<String>,
    pub shipping_country: Option<String>,
    /// Of all its lines.
    pub units: i64,
    pub currency: String,
    pub total_minor: i64,
    pub refunded_minor: i64,
    pub provider: String,
}

/// A line of an order, with what matters of the order. Amounts are minor units of its currency.
#[derive(Clone)]
#[expect(missing_docs, reason = "the fields are columns of `orders` and `order_lines`")]
pub struct LineRow {
    pub id: Uuid,
    pub status: String,
    pub created_at: Timestamp,
    pub paid_at: Option<Timestamp>,
    pub sku: String,
    pub title: String,
    pub quantity: i64,
    pub refunded: i64,
    pub restocked: i64,
    pub currency: String,
    pub unit_price_minor: i64,
}

/// Every order of a sale, in the order in which they were made.
pub fn orders<'a>(
    db: impl PgExecutor<'a> + 'a,
    sale: SaleId,
) -> impl Stream<Item = sqlx::Result<OrderRow>> + Send + 'a {
    sqlx::query_as!(
        OrderRow,
        r#"SELECT o.id, o.status, o.reason, o.created_at, o.paid_at, o.ended_at, o.shopper_id,
               o.email, o.shipping->>'name' AS shipping_name, o.shipping->>'line1' AS shipping_line1,
               o.shipping->>'city' AS shipping_city,
               o.shipping->>'postal_code' AS shipping_postal_code,
               o.shipping->>'country' AS shipping_country,
               COALESCE((SELECT sum(l.quantity) FROM order_lines l WHERE l.order_id = o.id),
                   0)::bigint AS "units!",
               o.currency, o.total_minor, o.refunded_minor, o.provider
           FROM orders o WHERE o.sale_id = $1 ORDER BY o.id"#,
        sale.0
    )
    .fetch(db)
}

/// Every line of a sale's orders, those of an order together, in the order of [`orders`].
pub fn lines<'a>(
    db: impl PgExecutor<'a> + 'a,
    sale: SaleId,
) -> impl Stream<Item = sqlx::Result<LineRow>> + Send + 'a {
    sqlx::query_as!(
        LineRow,
        "SELECT o.id, o.status, o.created_at, o.paid_at, l.sku, l.title, l.quantity, l.refunded,
             l.restocked, o.currency, l.unit_price_minor
         FROM orders o JOIN order_lines l ON l.order_id = o.id
         WHERE o.sale_id = $1 ORDER BY o.id, l.sku",
        sale.0
    )
    .fetch(db)
}
