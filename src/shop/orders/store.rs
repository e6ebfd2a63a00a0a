//! The SQL of orders and of idempotency keys.

use std::collections::HashMap;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{
    key::{BoundKey, IdempotencyKey, RequestHash},
    model::{NewOrder, Order, OrderLine, OrderStatus},
};
use crate::kernel::{
    clock::Timestamp,
    ids::{OrderId, SaleId, ShopperId, Sku},
    money::{Currency, Money},
    quantity::Quantity,
};

/// The constraint that a second order under one key runs into.
pub const KEY_TAKEN: &str = "idempotency_keys_pkey";

/// Makes a pending order with its lines.
pub async fn insert(conn: &mut PgConnection, order: &NewOrder) -> Result<(), sqlx::Error> {
    let shipping = serde_json::to_value(&order.shipping).map_err(encode)?;
    sqlx::query!(
        "INSERT INTO orders (id, sale_id, shopper_id, status, email, shipping, currency,
                             total_minor, created_at, provider)
         VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9)",
        order.id.0,
        order.sale.0,
        order.shopper.0,
        order.email.as_str(),
        shipping,
        order.total.currency.to_string(),
        order.total.amount,
        order.created_at,
        order.provider,
    )
    .execute(&mut *conn)
    .await?;
    let skus: Vec<String> = order.lines.iter().map(|line| line.sku.to_string()).collect();
    let titles: Vec<String> = order.lines.iter().map(|line| line.title.clone()).collect();
    let quantities: Vec<i64> = order.lines.iter().map(|line| line.quantity.into()).collect();
    let prices: Vec<i64> = order.lines.iter().map(|line| line.unit_price.amount).collect();
    sqlx::query!(
        "INSERT INTO order_lines (order_id, sku, title, quantity, unit_price_minor)
         SELECT $1, line.*
         FROM UNNEST($2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS line",
        order.id.0,
        &skus,
        &titles,
        &quantities,
        &prices,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a pending order final. One that is final already stays as it is: the checkout's steps
/// may be repeated. `at` is when it was paid or came to nothing.
pub async fn conclude(
    executor: impl PgExecutor<'_>,
    order: OrderId,
    status: OrderStatus,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders SET status = $2, reason = $3, payment_action = NULL,
             paid_at = CASE WHEN $5 THEN $4::timestamptz END,
             ended_at = CASE WHEN NOT $5 THEN $4::timestamptz END
         WHERE id = $1 AND status = 'pending'",
        order.0,
        status.as_str(),
        reason,
        at,
        status == OrderStatus::Paid,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Keeps the provider's own name for the payment of a pending order.
pub async fn set_payment_reference(
    executor: impl PgExecutor<'_>,
    order: OrderId,
    reference: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE orders SET payment_reference = $2 WHERE id = $1", order.0, reference)
        .execute(executor)
        .await?;
    Ok(())
}

/// Keeps where the bank wants to see the shopper, while the order is pending.
pub async fn set_payment_action(
    executor: impl PgExecutor<'_>,
    order: OrderId,
    action: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE orders SET payment_action = $2 WHERE id = $1 AND status = 'pending'
             AND payment_action IS DISTINCT FROM $2",
        order.0,
        action,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Locks an order until the transaction ends, so that its refunds are weighed one after the other.
pub async fn lock(executor: impl PgExecutor<'_>, order: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT id FROM orders WHERE id = $1 FOR UPDATE", order.0)
        .fetch_optional(executor)
        .await?;
    Ok(())
}

/// Takes note of what was given back, with the units and whether they go on sale again. An order of
/// which nothing is left is `refunded`.
pub async fn give_back(
    conn: &mut PgConnection,
    order: OrderId,
    amount: Money,
    units: &[(Sku, Quantity, bool)],
) -> Result<(), sqlx::Error> {
    let skus: Vec<String> = units.iter().map(|(sku, ..)| sku.to_string()).collect();
    let quantities: Vec<i64> = units.iter().map(|(_, quantity, _)| (*quantity).into()).collect();
    let restocks: Vec<bool> = units.iter().map(|(.., restock)| *restock).collect();
    sqlx::query!(
        "UPDATE order_lines l SET refunded = l.refunded + back.quantity,
             restocked = l.restocked + CASE WHEN back.restock THEN back.quantity ELSE 0 END
         FROM UNNEST($2::text[], $3::bigint[], $4::boolean[]) AS back (sku, quantity, restock)
         WHERE l.order_id = $1 AND l.sku = back.sku",
        order.0,
        &skus,
        &quantities,
        &restocks,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE orders SET refunded_minor = refunded_minor + $2, status = CASE
             WHEN EXISTS (SELECT 1 FROM order_lines WHERE order_id = $1 AND refunded < quantity)
             THEN status ELSE 'refunded' END
         WHERE id = $1",
        order.0,
        amount.amount,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One order, whosesoever it is.
pub async fn by_id(conn: &mut PgConnection, order: OrderId) -> Result<Option<Order>, sqlx::Error> {
    let row = sqlx::query_as!(
        OrderRow,
        "SELECT o.id, o.sale_id, s.slug, o.shopper_id, o.status, o.reason, o.currency,
                o.total_minor, o.created_at, o.paid_at, o.refunded_minor, o.provider,
                o.payment_reference, o.payment_action
         FROM orders o JOIN sales s ON s.id = o.sale_id WHERE o.id = $1",
        order.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(with_lines(conn, Vec::from_iter(row)).await?.pop())
}

/// The newest orders of a shopper, newest first.
pub async fn of_shopper(
    conn: &mut PgConnection,
    shopper: ShopperId,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    let rows = sqlx::query_as!(
        OrderRow,
        "SELECT o.id, o.sale_id, s.slug, o.shopper_id, o.status, o.reason, o.currency,
                o.total_minor, o.created_at, o.paid_at, o.refunded_minor, o.provider,
                o.payment_reference, o.payment_action
         FROM orders o JOIN sales s ON s.id = o.sale_id
         WHERE o.shopper_id = $1 ORDER BY o.created_at DESC, o.id DESC LIMIT $2",
        shopper.0,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    with_lines(conn, rows).await
}

/// Binds a key to its order. Fails on [`KEY_TAKEN`] if it is bound already.
pub async fn bind_key(
    executor: impl PgExecutor<'_>,
    shopper: ShopperId,
    key: &IdempotencyKey,
    bound: (OrderId, RequestHash),
    keep_until: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO idempotency_keys (shopper_id, key, request_hash, order_id, keep_until)
         VALUES ($1, $2, $3, $4, $5)",
        shopper.0,
        key.as_str(),
        &bound.1.0[..],
        bound.0.0,
        keep_until,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// What a shopper's key is bound to.
pub async fn bound_key(
    executor: impl PgExecutor<'_>,
    shopper: ShopperId,
    key: &IdempotencyKey,
) -> Result<Option<BoundKey>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT order_id, request_hash FROM idempotency_keys WHERE shopper_id = $1 AND key = $2",
        shopper.0,
        key.as_str(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| BoundKey { order: OrderId(row.order_id), request_hash: row.request_hash }))
}

/// Frees the key of an order that came to nothing, so that the same key tries again.
pub async fn unbind_key(
    executor: impl PgExecutor<'_>,
    shopper: ShopperId,
    order: OrderId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM idempotency_keys WHERE shopper_id = $1 AND order_id = $2",
        shopper.0,
        order.0,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Forgets keys whose time is over, `limit` at most; says how many.
pub async fn forget_keys(
    executor: impl PgExecutor<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE (shopper_id, key) IN
             (SELECT shopper_id, key FROM idempotency_keys WHERE keep_until < $1 LIMIT $2)",
        now,
        limit,
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}

struct OrderRow {
    id: Uuid,
    sale_id: i64,
    // Joined for its owner's eyes; the sale's rows are the sales room's.
    slug: String,
    shopper_id: Uuid,
    status: String,
    reason: Option<String>,
    currency: String,
    total_minor: i64,
    created_at: Timestamp,
    paid_at: Option<Timestamp>,
    refunded_minor: i64,
    provider: String,
    payment_reference: Option<String>,
    payment_action: Option<String>,
}

async fn with_lines(
    conn: &mut PgConnection,
    rows: Vec<OrderRow>,
) -> Result<Vec<Order>, sqlx::Error> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let found = sqlx::query!(
        "SELECT order_id, sku, title, quantity, unit_price_minor, refunded, restocked
         FROM order_lines WHERE order_id = ANY($1) ORDER BY order_id, sku",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let mut orders = rows.into_iter().map(OrderRow::read).collect::<Result<Vec<_>, _>>()?;
    let mut by_id: HashMap<Uuid, &mut Order> =
        orders.iter_mut().map(|order| (order.id.0, order)).collect();
    for row in found {
        if let Some(order) = by_id.get_mut(&row.order_id) {
            let currency = order.total.currency;
            order.lines.push(OrderLine {
                sku: row.sku.parse().map_err(decode)?,
                title: row.title,
                quantity: row.quantity.try_into().map_err(decode)?,
                unit_price: Money { amount: row.unit_price_minor, currency },
                refunded: row.refunded.try_into().map_err(decode)?,
                restocked: row.restocked.try_into().map_err(decode)?,
            });
        }
    }
    Ok(orders)
}

impl OrderRow {
    fn read(self) -> Result<Order, sqlx::Error> {
        let currency: Currency = self.currency.parse().map_err(decode)?;
        Ok(Order {
            id: OrderId(self.id),
            sale: SaleId(self.sale_id),
            sale_slug: self.slug.parse().map_err(decode)?,
            shopper: ShopperId(self.shopper_id),
            status: OrderStatus::parse(&self.status)
                .ok_or_else(|| sqlx::Error::Decode("unknown order status".into()))?,
            reason: self.reason,
            lines: Vec::new(),
            total: Money { amount: self.total_minor, currency },
            created_at: self.created_at,
            paid_at: self.paid_at,
            refunded: Money { amount: self.refunded_minor, currency },
            provider: self.provider,
            payment_reference: self.payment_reference,
            payment_action: self.payment_action,
        })
    }
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn encode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
