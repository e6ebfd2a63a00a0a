//! What a sale's orders come to, for its report.

use std::collections::BTreeMap;

use sqlx::PgExecutor;

use super::OrderStatus;
use crate::kernel::ids::{SaleId, Sku};

/// Orders of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusSums {
    /// How many.
    pub orders: i64,
    /// What they came to, in minor units.
    pub total: i64,
    /// What was given back of it.
    pub refunded: i64,
}

/// Sold units of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkuSums {
    /// Units paid, whether refunded later or not.
    pub units: i64,
    /// What they came to, in minor units.
    pub revenue: i64,
    /// Units whose price was given back.
    pub refunded: i64,
}

/// Orders of a sale by status; a status without any is missing.
pub async fn by_status(
    db: impl PgExecutor<'_>,
    sale: SaleId,
) -> sqlx::Result<Vec<(OrderStatus, StatusSums)>> {
    let rows = sqlx::query!(
        r#"SELECT status, count(*) AS "orders!", sum(total_minor)::bigint AS "total!",
               sum(refunded_minor)::bigint AS "refunded!"
           FROM orders WHERE sale_id = $1 GROUP BY status"#,
        sale.0
    );
    let rows = rows.fetch_all(db).await?.into_iter().map(|row| {
        let status = OrderStatus::parse(&row.status)
            .ok_or_else(|| sqlx::Error::Decode("unknown order status".into()))?;
        let sums = StatusSums { orders: row.orders, total: row.total, refunded: row.refunded };
        Ok((status, sums))
    });
    rows.collect()
}

/// What was paid of each SKU.
pub async fn by_sku(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<BTreeMap<Sku, SkuSums>> {
    let rows = sqlx::query!(
        r#"SELECT l.sku, sum(l.quantity)::bigint AS "units!",
               sum(l.quantity * l.unit_price_minor)::bigint AS "revenue!",
               sum(l.refunded)::bigint AS "refunded!"
           FROM orders o JOIN order_lines l ON l.order_id = o.id
           WHERE o.sale_id = $1 AND o.status IN ('paid', 'refunded') GROUP BY l.sku"#,
        sale.0
    );
    let rows = rows.fetch_all(db).await?.into_iter().map(|row| {
        let sku = row.sku.parse().map_err(|_| sqlx::Error::Decode("not a SKU".into()))?;
        let sums = SkuSums { units: row.units, revenue: row.revenue, refunded: row.refunded };
        Ok((sku, sums))
    });
    rows.collect()
}

/// Reasons for which orders came to nothing, the most frequent first.
pub async fn reasons(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT COALESCE(reason, status) AS "reason!", count(*) AS "orders!" FROM orders
           WHERE sale_id = $1 AND status IN ('declined', 'cancelled')
           GROUP BY 1 ORDER BY 2 DESC, 1"#,
        sale.0
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| (row.reason, row.orders)).collect())
}

/// Money that refunds of the sale are giving back, and refunds that the provider refused.
pub async fn open_refunds(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE r.step = 'refund') AS "open!",
               count(*) FILTER (WHERE r.step = 'failed') AS "failed!"
           FROM refunds r JOIN orders o ON o.id = r.order_id WHERE o.sale_id = $1"#,
        sale.0
    );
    let row = row.fetch_one(db).await?;
    Ok((row.open, row.failed))
}
