//! Statistics, exports and reports: counted exactly, whatever comes twice, late or not at all.

mod counting;
mod exporting;
mod reporting;
mod sums;

use std::path::{Path, PathBuf};

use sqlx::{PgConnection, Postgres, Transaction};
use stampede::kernel::{
    clock::{Timestamp, from_millis},
    ids::{OrderId, SaleId},
};
use uuid::Uuid;

use crate::harness::{Plan, SALE, Shop};

/// 2026-11-22 10:00 UTC.
const TEN: i64 = 1_795_341_600_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    from_millis(TEN + seconds * 1000)
}

/// A database with the sale and no process around it: what is on paper is written by the test.
pub(crate) async fn paper() -> Shop {
    let shop = Plan { web: false, ..Plan::default().roles(&[]) }.start().await;
    shop.import(SALE).await;
    shop
}

pub(crate) async fn sale_id(shop: &Shop) -> SaleId {
    let slug = "run".parse().unwrap();
    stampede::shop::sales::store::by_slug(&shop.app.pool, &slug).await.unwrap().unwrap().id
}

/// The real binary: exit code, standard output, standard error.
pub(crate) fn stampede(shop: &Shop, arguments: &[&str]) -> (i32, String, String) {
    let output = shop.run(arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("stampede-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

/// What an order on paper is made of.
struct Order {
    id: OrderId,
    status: &'static str,
    at: Timestamp,
    units: i64,
}

impl Order {
    fn new(status: &'static str, at: Timestamp, units: i64) -> Self {
        Self { id: OrderId(Uuid::now_v7()), status, at, units }
    }

    /// Writes it as the checkout would have.
    async fn insert(&self, conn: &mut PgConnection, sale: SaleId) {
        let paid = matches!(self.status, "paid" | "refunded");
        sqlx::query(
            "INSERT INTO orders (id, sale_id, shopper_id, status, reason, email, shipping, currency,
                 total_minor, created_at, paid_at, ended_at)
             VALUES ($1, $2, $1, $3, CASE WHEN $4 THEN NULL ELSE 'payment_declined' END,
                 'ada@example.org', '{\"name\": \"Ada\"}', 'EUR', $5 * 1950,
                 $6 - interval '5 seconds', CASE WHEN $4 THEN $6 END,
                 CASE WHEN NOT $4 THEN $6 END)",
        )
        .bind(self.id.0)
        .bind(sale.0)
        .bind(self.status)
        .bind(paid)
        .bind(self.units)
        .bind(self.at)
        .execute(&mut *conn)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO order_lines (order_id, sku, title, quantity, unit_price_minor)
             VALUES ($1, 'CAP', 'Cap – One size', $2, 1950)",
        )
        .bind(self.id.0)
        .bind(self.units)
        .execute(conn)
        .await
        .unwrap();
    }
}

/// Many paid orders of one unit each, one every ten milliseconds from ten o'clock on.
pub(crate) async fn insert_many(shop: &Shop, sale: SaleId, count: i64) {
    let mut tx = unhurried(shop).await;
    sqlx::query(
        "WITH made AS (
             INSERT INTO orders (id, sale_id, shopper_id, status, email, shipping, currency,
                 total_minor, created_at, paid_at)
             SELECT gen_random_uuid(), $1, gen_random_uuid(), 'paid', 'buyer' || n || '@example.org',
                 jsonb_build_object('name', 'Buyer ' || n, 'line1', 'A street with a name ' || n,
                     'city', 'Berlin', 'postal_code', '10115', 'country', 'DE'),
                 'EUR', 1950, t, t
             FROM generate_series(1, $2) n, LATERAL (
                 SELECT $3::timestamptz + n * interval '10 milliseconds' AS t) times
             RETURNING id
         )
         INSERT INTO order_lines (order_id, sku, title, quantity, unit_price_minor)
         SELECT id, 'CAP', 'Cap – One size', 1, 1950 FROM made",
    )
    .bind(sale.0)
    .bind(count)
    .bind(at(0))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// A transaction whose statements may take as long as a busy machine takes.
async fn unhurried(shop: &Shop) -> Transaction<'static, Postgres> {
    let mut tx = shop.app.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.unwrap();
    tx
}
