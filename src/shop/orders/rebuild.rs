//! What an opening needs to know of orders: the units that are surely bought, and the carts that a
//! checkout has frozen.

use futures_util::{Stream, TryStreamExt};
use sqlx::PgExecutor;

use crate::kernel::{
    ids::{OrderId, SaleId, ShopperId, Sku},
    quantity::Quantity,
};

/// Units of one SKU in orders that were paid, given back or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// Who bought.
    pub shopper: ShopperId,
    /// What.
    pub sku: Sku,
    /// How many units are the shopper's, all orders together: those that are on sale again are not.
    pub units: Quantity,
    /// How many are on sale again.
    pub restocked: Quantity,
}

/// A cart that a checkout has frozen: its `begin` is on record, and its order is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Whose cart.
    pub shopper: ShopperId,
    /// The checkout's order.
    pub order: OrderId,
    /// The checkout's latest owner.
    pub attempt: i32,
    /// The order's lines, if they are being charged and so count as sold; empty before that.
    pub settled: Vec<(Sku, Quantity)>,
}

/// Everything bought in a sale.
pub fn bought<'a>(
    db: impl PgExecutor<'a> + 'a,
    sale: SaleId,
) -> impl Stream<Item = sqlx::Result<Bought>> + 'a {
    sqlx::query!(
        r#"SELECT o.shopper_id, l.sku, SUM(l.quantity - l.restocked)::bigint AS "units!",
               SUM(l.restocked)::bigint AS "restocked!"
           FROM orders o JOIN order_lines l ON l.order_id = o.id
           WHERE o.sale_id = $1 AND o.status IN ('paid', 'refunded')
           GROUP BY o.shopper_id, l.sku"#,
        sale.0
    )
    .fetch(db)
    .and_then(|row| {
        std::future::ready(line(&row.sku, row.units).and_then(|(sku, units)| {
            let (_, restocked) = line(&row.sku, row.restocked)?;
            Ok(Bought { shopper: ShopperId(row.shopper_id), sku, units, restocked })
        }))
    })
}

/// The carts of a sale that are frozen.
pub async fn frozen(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<Vec<Frozen>> {
    let rows = sqlx::query!(
        r#"SELECT c.shopper_id, c.order_id, c.attempt,
               COALESCE(ARRAY_AGG(l.sku ORDER BY l.sku)
                   FILTER (WHERE c.step = 'capture'), '{}') AS "skus!",
               COALESCE(ARRAY_AGG(l.quantity ORDER BY l.sku)
                   FILTER (WHERE c.step = 'capture'), '{}') AS "quantities!"
           FROM checkouts c JOIN order_lines l ON l.order_id = c.order_id
           WHERE c.sale_id = $1 AND c.step IN ('prepare', 'authorise', 'settle', 'capture')
           GROUP BY c.order_id"#,
        sale.0
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let lines = row.skus.iter().zip(row.quantities);
            Ok(Frozen {
                shopper: ShopperId(row.shopper_id),
                order: OrderId(row.order_id),
                attempt: row.attempt,
                settled: lines.map(|(sku, units)| line(sku, units)).collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

fn line(sku: &str, units: i64) -> sqlx::Result<(Sku, Quantity)> {
    let decode = |what: &'static str| sqlx::Error::Decode(what.into());
    Ok((
        sku.parse().map_err(|_| decode("not a SKU"))?,
        units.try_into().map_err(|_| decode("not a quantity"))?,
    ))
}

/// Units per SKU that were paid for and are not on sale again.
pub async fn paid_units(
    db: impl PgExecutor<'_>,
    sale: SaleId,
) -> sqlx::Result<std::collections::BTreeMap<String, i64>> {
    let rows = sqlx::query!(
        r#"SELECT l.sku, SUM(l.quantity - l.restocked)::bigint AS "units!"
           FROM orders o JOIN order_lines l ON l.order_id = o.id
           WHERE o.sale_id = $1 AND o.status IN ('paid', 'refunded') GROUP BY l.sku"#,
        sale.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.sku, row.units)).collect())
}

/// Units of a shopper, per SKU, that are on sale again.
pub async fn restocked(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    shopper: ShopperId,
) -> sqlx::Result<Vec<(Sku, Quantity)>> {
    let rows = sqlx::query!(
        r#"SELECT l.sku, SUM(l.restocked)::bigint AS "units!"
           FROM orders o JOIN order_lines l ON l.order_id = o.id
           WHERE o.sale_id = $1 AND o.shopper_id = $2 AND l.restocked > 0 GROUP BY l.sku"#,
        sale.0,
        shopper.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| line(&row.sku, row.units)).collect()
}

/// Checkouts and refunds of a sale that are not final.
pub async fn open_sagas(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT (SELECT COUNT(*) FROM checkouts WHERE sale_id = $1 AND step <> 'done')
             + (SELECT COUNT(*) FROM refunds r JOIN orders o ON o.id = r.order_id
                WHERE o.sale_id = $1 AND r.step IN ('refund', 'restock')) AS "n!""#,
        sale.0
    )
    .fetch_one(db)
    .await
}
