//! The sale that tests of the checkout buy in, as it stands in Postgres.

use chrono::TimeDelta;
use sqlx::PgPool;
use stampede::kernel::clock::{Clock, Timestamp};

use super::shop::{SKUS, Set};

pub(super) async fn insert_sale(pool: &PgPool, set: Set) {
    let now: Timestamp = Clock::system().now();
    sqlx::query(
        "WITH sale AS (
             INSERT INTO sales (slug, title, currency, starts_at, ends_at, hold_ms,
                                limit_per_shopper, revision, first_imported_at)
             VALUES ('shoes', 'Shoes', 'EUR', $1, $2, $3, 1000, 1, $1) RETURNING id
         ), opening AS (
             INSERT INTO openings (sale_id) SELECT id FROM sale
         ), product AS (
             INSERT INTO products (sale_id, slug, title, position)
             SELECT id, 'runner', 'Runner', 0 FROM sale RETURNING id, sale_id
         )
         INSERT INTO skus (sale_id, sku, product_id, label, price_minor, total, position)
         SELECT sale_id, sku, id, 'Size ' || sku, price, $4, 0
         FROM product, UNNEST($5::text[], $6::bigint[]) AS s (sku, price)",
    )
    .bind(now - TimeDelta::hours(1))
    .bind(now + TimeDelta::hours(1))
    .bind(i64::try_from(set.hold.as_millis()).unwrap())
    .bind(set.total)
    .bind(SKUS.map(|(sku, _)| sku.to_owned()).to_vec())
    .bind(SKUS.map(|(_, price)| price).to_vec())
    .execute(pool)
    .await
    .unwrap();
}
