//! All SQL of the cart: the lines, and how far the stream was taken over.

use std::collections::BTreeMap;

use futures_util::{Stream, TryStreamExt};
use sqlx::{PgConnection, PgExecutor};

use super::stream::STREAM;
use crate::kernel::{
    clock::Timestamp,
    ids::{SaleId, ShopperId, Sku},
    line::CartLine,
    quantity::Quantity,
    version::{Epoch, Seq, Version},
};

/// How far the cart stream was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// 0 before the first stream was made.
    pub generation: i64,
    /// The offset that is to be taken over next.
    pub next_offset: i64,
    /// Whether claims wait to be published again to this generation.
    pub republish: bool,
    /// When the writer had last taken over all there was.
    pub caught_up_at: Timestamp,
}

/// The stream's state; the row is made when it is missing. Only then is anything written: an insert
/// that finds the row waits for a writer's transaction, and every process asks often.
pub async fn stream_state(conn: &mut PgConnection) -> sqlx::Result<StreamState> {
    if let Some(state) = known_state(&mut *conn).await? {
        return Ok(state);
    }
    sqlx::query!(
        "INSERT INTO cart_streams (stream, generation) VALUES ($1, 0) ON CONFLICT DO NOTHING",
        STREAM
    )
    .execute(&mut *conn)
    .await?;
    known_state(conn).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn known_state(db: impl PgExecutor<'_>) -> sqlx::Result<Option<StreamState>> {
    sqlx::query_as!(
        StreamState,
        "SELECT generation, next_offset, republish, caught_up_at FROM cart_streams
         WHERE stream = $1",
        STREAM
    )
    .fetch_optional(db)
    .await
}

/// Moves on to the generation after `generation`; false when somebody else did. Claims are to be
/// published again unless it is the first.
pub async fn next_generation(db: impl PgExecutor<'_>, generation: i64) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE cart_streams SET generation = generation + 1, next_offset = 0,
             republish = generation > 0
         WHERE stream = $1 AND generation = $2",
        STREAM,
        generation
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes note that every claim was published again to `generation`.
pub async fn republished(db: impl PgExecutor<'_>, generation: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE cart_streams SET republish = false WHERE stream = $1 AND generation = $2",
        STREAM,
        generation
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes note that the writer had taken over all there was; every five seconds is enough.
pub async fn caught_up(
    db: impl PgExecutor<'_>,
    generation: i64,
    at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE cart_streams SET caught_up_at = $3::timestamptz
         WHERE stream = $1 AND generation = $2 AND caught_up_at < $3::timestamptz - interval '5 seconds'",
        STREAM,
        generation,
        at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Moves the offset from `expected` to `next`; false when another writer moved it first, and then
/// the caller's transaction must not be committed.
pub async fn advance(
    db: impl PgExecutor<'_>,
    generation: i64,
    expected: i64,
    next: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE cart_streams SET next_offset = $4
         WHERE stream = $1 AND generation = $2 AND next_offset = $3",
        STREAM,
        generation,
        expected,
        next
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes lines; each row keeps the highest version it has seen. Lines may repeat and come in any
/// order: they are deduplicated and sorted first, as one statement may not touch a row twice and
/// two writers must lock rows in the same order.
#[expect(clippy::as_conversions, reason = "sqlx's notation for an array that may hold nulls")]
pub async fn upsert(conn: &mut PgConnection, sale: SaleId, lines: &[CartLine]) -> sqlx::Result<()> {
    let mut newest: BTreeMap<(ShopperId, &Sku), &CartLine> = BTreeMap::new();
    for line in lines {
        let slot = newest.entry((line.shopper, &line.sku)).or_insert(line);
        if slot.version < line.version {
            *slot = line;
        }
    }
    let mut columns = Columns::default();
    for line in newest.values() {
        columns.push(line);
    }
    sqlx::query!(
        "INSERT INTO cart_lines AS old
             (sale_id, shopper_id, sku, quantity, expires_at, epoch, seq)
         SELECT $1, * FROM UNNEST($2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[],
             $6::bigint[], $7::bigint[])
         ON CONFLICT (sale_id, shopper_id, sku) DO UPDATE SET quantity = excluded.quantity,
             expires_at = excluded.expires_at, epoch = excluded.epoch, seq = excluded.seq
         WHERE (old.epoch, old.seq) < (excluded.epoch, excluded.seq)",
        sale.0,
        &columns.shoppers,
        &columns.skus,
        &columns.quantities,
        &columns.expiries as &[Option<Timestamp>],
        &columns.epochs,
        &columns.seqs
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(Default)]
struct Columns {
    shoppers: Vec<uuid::Uuid>,
    skus: Vec<String>,
    quantities: Vec<i64>,
    expiries: Vec<Option<Timestamp>>,
    epochs: Vec<i64>,
    seqs: Vec<i64>,
}

impl Columns {
    fn push(&mut self, line: &CartLine) {
        self.shoppers.push(line.shopper.0);
        self.skus.push(line.sku.to_string());
        self.quantities.push(line.quantity.into());
        self.expiries.push(line.expires_at);
        self.epochs.push(line.version.epoch.0);
        self.seqs.push(line.version.seq.0);
    }
}

struct Row {
    shopper_id: uuid::Uuid,
    sku: String,
    quantity: i64,
    expires_at: Option<Timestamp>,
    epoch: i64,
    seq: i64,
}

impl TryFrom<Row> for CartLine {
    type Error = sqlx::Error;
    fn try_from(row: Row) -> sqlx::Result<Self> {
        let decode = |error: &'static str| sqlx::Error::Decode(error.into());
        Ok(Self {
            shopper: ShopperId(row.shopper_id),
            sku: row.sku.parse().map_err(|_| decode("not a SKU"))?,
            quantity: Quantity::try_from(row.quantity).map_err(|_| decode("not a quantity"))?,
            expires_at: row.expires_at,
            version: Version { epoch: Epoch(row.epoch), seq: Seq(row.seq) },
        })
    }
}

/// Every line of a sale, zero lines included, a shopper's lines together.
pub fn lines_of_sale<'a>(
    db: impl PgExecutor<'a> + 'a,
    sale: SaleId,
) -> impl Stream<Item = sqlx::Result<CartLine>> + 'a {
    sqlx::query_as!(
        Row,
        "SELECT shopper_id, sku, quantity, expires_at, epoch, seq FROM cart_lines
         WHERE sale_id = $1 ORDER BY shopper_id, sku",
        sale.0
    )
    .fetch(db)
    .and_then(|row| std::future::ready(CartLine::try_from(row)))
}

/// One shopper's line, as far as the stream was taken over.
pub async fn line(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    shopper: ShopperId,
    sku: &Sku,
) -> sqlx::Result<Option<CartLine>> {
    sqlx::query_as!(
        Row,
        "SELECT shopper_id, sku, quantity, expires_at, epoch, seq FROM cart_lines
         WHERE sale_id = $1 AND shopper_id = $2 AND sku = $3",
        sale.0,
        shopper.0,
        sku.as_str()
    )
    .fetch_optional(db)
    .await?
    .map(CartLine::try_from)
    .transpose()
}

/// Units held on paper, per SKU.
pub async fn held_units(
    db: impl PgExecutor<'_>,
    sale: SaleId,
) -> sqlx::Result<BTreeMap<String, i64>> {
    let rows = sqlx::query!(
        r#"SELECT sku, SUM(quantity)::bigint AS "units!" FROM cart_lines
           WHERE sale_id = $1 AND quantity > 0 GROUP BY sku"#,
        sale.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.sku, row.units)).collect())
}

/// Held lines of a SKU, the newest first. Lines that a checkout is charging are not among them.
pub fn newest_held<'a>(
    db: impl PgExecutor<'a> + 'a,
    sale: SaleId,
    sku: &'a Sku,
) -> impl Stream<Item = sqlx::Result<CartLine>> + 'a {
    sqlx::query_as!(
        Row,
        "SELECT l.shopper_id, l.sku, l.quantity, l.expires_at, l.epoch, l.seq FROM cart_lines l
         WHERE l.sale_id = $1 AND l.sku = $2 AND l.quantity > 0 AND NOT EXISTS (
             SELECT FROM checkouts c WHERE c.sale_id = l.sale_id
                 AND c.shopper_id = l.shopper_id AND c.step = 'capture')
         ORDER BY l.epoch DESC, l.seq DESC",
        sale.0,
        sku.as_str()
    )
    .fetch(db)
    .and_then(|row| std::future::ready(CartLine::try_from(row)))
}
