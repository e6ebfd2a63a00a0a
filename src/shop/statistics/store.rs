//! The SQL of `sale_minutes`, which is counted from what the orders' room keeps.

use sqlx::{PgConnection, PgExecutor};

use super::{Minute, OrderMinute};
use crate::kernel::{
    clock::Timestamp,
    ids::{OrderId, SaleId},
};

/// Lets statements of this transaction take as long as they take: a minute that is too busy to be
/// counted in the time that requests have would never be counted.
pub async fn take_time(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SET LOCAL statement_timeout = 0").execute(conn).await.map(drop)
}

/// Makes every minute due in which something happened to this order; false when there is no such
/// order. A minute that is due already is only locked, so a busy one leaves no dead rows behind.
pub async fn make_due(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"WITH happened AS (
               SELECT o.sale_id, date_trunc('minute', t.at) AS minute
               FROM orders o, LATERAL (
                   SELECT o.paid_at AS at
                   UNION ALL SELECT COALESCE(o.ended_at, o.created_at)
                       WHERE o.status IN ('declined', 'cancelled')
                   UNION ALL SELECT r.refunded_at FROM refunds r WHERE r.order_id = o.id
               ) t
               WHERE o.id = $1 AND t.at IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
           ), made AS (
               INSERT INTO sale_minutes AS old (sale_id, minute) SELECT * FROM happened
               ON CONFLICT (sale_id, minute) DO UPDATE SET due = true WHERE NOT old.due
           )
           SELECT EXISTS (SELECT FROM orders WHERE id = $1) AS "found!""#,
        order.0
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Makes every minute of a sale due in which something happened to an order.
pub async fn make_all_due(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO sale_minutes AS old (sale_id, minute)
         SELECT $1, date_trunc('minute', t.at) FROM (
             SELECT paid_at AS at FROM orders WHERE sale_id = $1
             UNION ALL SELECT COALESCE(ended_at, created_at) FROM orders
                 WHERE sale_id = $1 AND status IN ('declined', 'cancelled')
             UNION ALL SELECT r.refunded_at FROM refunds r JOIN orders o ON o.id = r.order_id
                 WHERE o.sale_id = $1
             UNION ALL SELECT minute FROM sale_minutes WHERE sale_id = $1
         ) t
         WHERE t.at IS NOT NULL GROUP BY 2 ORDER BY 2
         ON CONFLICT (sale_id, minute) DO UPDATE SET due = true WHERE NOT old.due",
        sale.0
    )
    .execute(db)
    .await?;
    Ok(())
}

struct DueRow {
    sale_id: i64,
    minute: Timestamp,
}

impl From<DueRow> for Minute {
    fn from(row: DueRow) -> Self {
        Self { sale: SaleId(row.sale_id), at: row.minute }
    }
}

/// Minutes that are due, of all sales, `limit` at most; they stay locked until the transaction ends.
/// What somebody else is just counting is passed by.
pub async fn lock_due(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Minute>> {
    let rows = sqlx::query_as!(
        DueRow,
        "SELECT sale_id, minute FROM sale_minutes WHERE due
         ORDER BY sale_id, minute LIMIT $1 FOR UPDATE SKIP LOCKED",
        limit
    );
    Ok(rows.fetch_all(conn).await?.into_iter().map(Minute::from).collect())
}

/// The same of one sale, for who needs them counted: what somebody else is just counting is waited
/// for.
pub async fn lock_due_of(
    conn: &mut PgConnection,
    sale: SaleId,
    limit: i64,
) -> sqlx::Result<Vec<Minute>> {
    let rows = sqlx::query_as!(
        DueRow,
        "SELECT sale_id, minute FROM sale_minutes WHERE due AND sale_id = $1
         ORDER BY minute LIMIT $2 FOR UPDATE",
        sale.0,
        limit
    );
    Ok(rows.fetch_all(conn).await?.into_iter().map(Minute::from).collect())
}

/// Counts minutes that are locked. A statement of its own after the locking one, for it must see
/// every order that was committed before.
pub async fn count(conn: &mut PgConnection, minutes: &[Minute]) -> sqlx::Result<()> {
    let sales: Vec<i64> = minutes.iter().map(|minute| minute.sale.0).collect();
    let begins: Vec<Timestamp> = minutes.iter().map(|minute| minute.at).collect();
    sqlx::query!(
        "UPDATE sale_minutes m SET due = false, orders = paid.orders, units = paid.units,
             revenue_minor = paid.revenue, declined = ended.declined,
             cancelled = ended.cancelled, refunds = given.refunds, refunded_minor = given.back
         FROM UNNEST($1::bigint[], $2::timestamptz[]) AS d (sale_id, begins),
         LATERAL (
             SELECT count(*) AS orders, COALESCE(sum(o.total_minor), 0)::bigint AS revenue,
                 COALESCE(sum((SELECT sum(l.quantity) FROM order_lines l
                               WHERE l.order_id = o.id)), 0)::bigint AS units
             FROM orders o WHERE o.sale_id = d.sale_id
                 AND o.paid_at >= d.begins AND o.paid_at < d.begins + interval '1 minute'
         ) paid,
         LATERAL (
             SELECT count(*) FILTER (WHERE o.status = 'declined') AS declined,
                 count(*) FILTER (WHERE o.status = 'cancelled') AS cancelled
             FROM orders o WHERE o.sale_id = d.sale_id AND o.status IN ('declined', 'cancelled')
                 AND COALESCE(o.ended_at, o.created_at) >= d.begins
                 AND COALESCE(o.ended_at, o.created_at) < d.begins + interval '1 minute'
         ) ended,
         LATERAL (
             SELECT count(*) AS refunds, COALESCE(sum(r.amount_minor), 0)::bigint AS back
             FROM refunds r JOIN orders o ON o.id = r.order_id
             WHERE o.sale_id = d.sale_id AND r.refunded_at >= d.begins
                 AND r.refunded_at < d.begins + interval '1 minute'
         ) given
         WHERE m.sale_id = d.sale_id AND m.minute = d.begins",
        &sales,
        &begins
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A sale's minutes as they were last counted, the earliest first.
pub async fn minutes(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<Vec<OrderMinute>> {
    sqlx::query_as!(
        OrderMinute,
        "SELECT minute AS at, orders, units, revenue_minor AS revenue, declined, cancelled,
             refunds, refunded_minor AS refunded
         FROM sale_minutes WHERE sale_id = $1 ORDER BY minute",
        sale.0
    )
    .fetch_all(db)
    .await
}
