//! The SQL of `sales` and `openings`.

use std::time::Duration;

use sqlx::{
    PgConnection, PgExecutor, PgPool, Postgres, Transaction, query, query_as, query_scalar,
};

use super::model::{NewSale, Sale};
use crate::kernel::{
    clock::Timestamp,
    ids::{Bucket, SaleId, SaleSlug},
    quantity::Quantity,
    version::{Epoch, Revision},
};

/// A bucket of a sale whose stock is to be open, with what Redis has to agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The sale.
    pub sale: SaleId,
    /// Its name.
    pub slug: SaleSlug,
    /// The bucket's number.
    pub bucket: u16,
    /// The epoch of the last opening; 0 when it was never opened.
    pub epoch: Epoch,
    /// The revision of the sale's totals and terms.
    pub revision: Revision,
}

impl Kept {
    /// Where its stock lies in Redis.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        Bucket { sale: self.slug.clone(), number: self.bucket }
    }
}

/// What is on record about the openings of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The epoch of the last opening; 0 when it was never opened.
    pub epoch: Epoch,
    /// Epochs that may have a binding in the broker, the latest last.
    pub bound_epochs: Vec<Epoch>,
    /// The newest barrier that the writer has taken over; 0 for none.
    pub barrier_epoch: Epoch,
}

struct SaleRow {
    id: i64,
    slug: String,
    title: String,
    accent: Option<String>,
    currency: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    hold_ms: i64,
    limit_per_shopper: i32,
    paused: bool,
    revision: i64,
    first_imported_at: Timestamp,
    fixed: bool,
}

/// A transaction in which all that is read is of one moment.
pub async fn begin_reading(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// All sales, the one that starts first at the front.
pub async fn all(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Sale>> {
    let rows = query_as!(
        SaleRow,
        "SELECT id, slug, title, accent, currency, starts_at, ends_at, hold_ms,
                limit_per_shopper, paused, revision, first_imported_at, fixed
         FROM sales ORDER BY starts_at, id"
    );
    rows.fetch_all(db).await?.into_iter().map(Sale::try_from).collect()
}

/// The sale of that name.
pub async fn by_slug(db: impl PgExecutor<'_>, slug: &SaleSlug) -> sqlx::Result<Option<Sale>> {
    let row = query_as!(
        SaleRow,
        "SELECT id, slug, title, accent, currency, starts_at, ends_at, hold_ms,
                limit_per_shopper, paused, revision, first_imported_at, fixed
         FROM sales WHERE slug = $1",
        slug.as_str()
    );
    row.fetch_optional(db).await?.map(Sale::try_from).transpose()
}

/// The revision of a sale, its row locked until the transaction ends.
pub async fn revision_for_update(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<Revision> {
    query_scalar!("SELECT revision FROM sales WHERE id = $1 FOR UPDATE", sale.0)
        .fetch_one(db)
        .await
        .map(Revision)
}

/// A revision that was never given before and never will be again, rolled back or not.
pub async fn next_revision(db: impl PgExecutor<'_>) -> sqlx::Result<Revision> {
    query_scalar!(r#"SELECT nextval('revisions') AS "revision!""#).fetch_one(db).await.map(Revision)
}

/// A new sale, its offsets counted from `now`. `None` when the name is taken.
pub async fn insert(
    db: impl PgExecutor<'_>,
    sale: &NewSale,
    revision: Revision,
    now: Timestamp,
) -> sqlx::Result<Option<SaleId>> {
    let id = query_scalar!(
        "INSERT INTO sales (slug, title, currency, starts_at, ends_at, hold_ms,
                            limit_per_shopper, revision, first_imported_at, accent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT ON CONSTRAINT sales_slug_key DO NOTHING RETURNING id",
        sale.slug.as_str(),
        sale.title,
        sale.currency.to_string(),
        sale.starts_at,
        sale.ends_at,
        hold_ms(sale)?,
        limit(sale)?,
        revision.0,
        now,
        accent(sale)
    );
    Ok(id.fetch_optional(db).await?.map(SaleId))
}

/// Sets a sale's terms. `fixed` stays once it was set.
pub async fn update(
    db: impl PgExecutor<'_>,
    id: SaleId,
    sale: &NewSale,
    fixed: bool,
    revision: Revision,
) -> sqlx::Result<()> {
    let update = query!(
        "UPDATE sales SET title = $2, currency = $3, starts_at = $4, ends_at = $5, hold_ms = $6,
                limit_per_shopper = $7, fixed = fixed OR $8, revision = $9,
                accent = $10
         WHERE id = $1",
        id.0,
        sale.title,
        sale.currency.to_string(),
        sale.starts_at,
        sale.ends_at,
        hold_ms(sale)?,
        limit(sale)?,
        fixed,
        revision.0,
        accent(sale)
    );
    update.execute(db).await.map(drop)
}

/// Turns the switch and records the revision under which that was done.
pub async fn set_switch(
    db: impl PgExecutor<'_>,
    id: SaleId,
    paused: bool,
    revision: Revision,
) -> sqlx::Result<()> {
    query!("UPDATE sales SET paused = $2, revision = $3 WHERE id = $1", id.0, paused, revision.0)
        .execute(db)
        .await
        .map(drop)
}

/// Every bucket of the sales that end after `ended_after`, which may lie in the past.
pub async fn to_keep(db: impl PgExecutor<'_>, ended_after: Timestamp) -> sqlx::Result<Vec<Kept>> {
    let rows = query!(
        "SELECT s.id, s.slug, s.revision, o.bucket, o.epoch
         FROM sales s JOIN openings o ON o.sale_id = s.id
         WHERE s.ends_at > $1 ORDER BY s.starts_at, s.id, o.bucket",
        ended_after
    );
    let kept = rows.fetch_all(db).await?.into_iter().map(|row| {
        Ok(Kept {
            sale: SaleId(row.id),
            slug: row.slug.parse().map_err(decode)?,
            bucket: u16::try_from(row.bucket).map_err(decode)?,
            epoch: Epoch(row.epoch),
            revision: Revision(row.revision),
        })
    });
    kept.collect()
}

/// Makes the row of a bucket that was never opened.
pub async fn create_opening(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    bucket: u16,
) -> sqlx::Result<()> {
    query!("INSERT INTO openings (sale_id, bucket) VALUES ($1, $2)", sale.0, smallint(bucket)?)
        .execute(db)
        .await
        .map(drop)
}

/// What is on record about a bucket's openings.
pub async fn opening(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    bucket: u16,
) -> sqlx::Result<Option<Opening>> {
    let row = query!(
        "SELECT epoch, bound_epochs, barrier_epoch FROM openings
         WHERE sale_id = $1 AND bucket = $2",
        sale.0,
        smallint(bucket)?
    );
    Ok(row.fetch_optional(db).await?.map(|row| Opening {
        epoch: Epoch(row.epoch),
        bound_epochs: row.bound_epochs.into_iter().map(Epoch).collect(),
        barrier_epoch: Epoch(row.barrier_epoch),
    }))
}

/// The bucket's epoch; 0 when it was never opened.
pub async fn epoch(db: impl PgExecutor<'_>, sale: SaleId, bucket: u16) -> sqlx::Result<Epoch> {
    query_scalar!(
        "SELECT epoch FROM openings WHERE sale_id = $1 AND bucket = $2",
        sale.0,
        smallint(bucket)?
    )
    .fetch_one(db)
    .await
    .map(Epoch)
}

/// The bucket's epoch, and no opening gets a new one before this transaction ends. Others may read
/// it in the same way meanwhile. Takes a connection: outside a transaction the lock would be gone
/// at once.
pub async fn epoch_for_share(
    db: &mut PgConnection,
    sale: SaleId,
    bucket: u16,
) -> sqlx::Result<Epoch> {
    query_scalar!(
        "SELECT epoch FROM openings WHERE sale_id = $1 AND bucket = $2 FOR SHARE",
        sale.0,
        smallint(bucket)?
    )
    .fetch_one(db)
    .await
    .map(Epoch)
}

/// Begins an opening: the next epoch, which may have a binding from now on. It is the time, or the
/// last one plus one if that is greater, so that it grows even when this database was restored from
/// a backup.
pub async fn next_epoch(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    bucket: u16,
    now: Timestamp,
) -> sqlx::Result<Epoch> {
    query_scalar!(
        "UPDATE openings SET epoch = greatest($3, epoch + 1),
                bound_epochs = bound_epochs || greatest($3, epoch + 1)
         WHERE sale_id = $1 AND bucket = $2 RETURNING epoch",
        sale.0,
        smallint(bucket)?,
        now.timestamp_millis()
    )
    .fetch_one(db)
    .await
    .map(Epoch)
}

/// Records which epochs may still have a binding. Says no, and records nothing, when `epoch` is no
/// longer the last: whoever came after has put their own on the list.
pub async fn set_bound_epochs(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    bucket: u16,
    epoch: Epoch,
    bound: &[Epoch],
) -> sqlx::Result<bool> {
    let bound: Vec<i64> = bound.iter().map(|epoch| epoch.0).collect();
    let update = query!(
        "UPDATE openings SET bound_epochs = $4 WHERE sale_id = $1 AND bucket = $2 AND epoch = $3",
        sale.0,
        smallint(bucket)?,
        epoch.0,
        &bound
    );
    Ok(update.execute(db).await?.rows_affected() > 0)
}

/// The writer has taken over the barrier of `epoch`. An older one changes nothing.
pub async fn set_barrier(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    bucket: u16,
    epoch: Epoch,
) -> sqlx::Result<()> {
    query!(
        "UPDATE openings SET barrier_epoch = greatest(barrier_epoch, $3)
         WHERE sale_id = $1 AND bucket = $2",
        sale.0,
        smallint(bucket)?,
        epoch.0
    )
    .execute(db)
    .await
    .map(drop)
}

impl TryFrom<SaleRow> for Sale {
    type Error = sqlx::Error;

    fn try_from(row: SaleRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: SaleId(row.id),
            slug: row.slug.parse().map_err(decode)?,
            title: row.title,
            accent: row.accent.map(|text| text.parse().map_err(decode)).transpose()?,
            currency: row.currency.parse().map_err(decode)?,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            hold: Duration::from_millis(u64::try_from(row.hold_ms).map_err(decode)?),
            limit_per_shopper: Quantity::try_from(i64::from(row.limit_per_shopper))
                .map_err(decode)?,
            paused: row.paused,
            revision: Revision(row.revision),
            first_imported_at: row.first_imported_at,
            fixed: row.fixed,
        })
    }
}

fn hold_ms(sale: &NewSale) -> sqlx::Result<i64> {
    i64::try_from(sale.hold.as_millis()).map_err(encode)
}

fn limit(sale: &NewSale) -> sqlx::Result<i32> {
    i32::try_from(sale.limit_per_shopper.get()).map_err(encode)
}

fn accent(sale: &NewSale) -> Option<String> {
    sale.accent.map(|colour| colour.to_string())
}

fn smallint(bucket: u16) -> sqlx::Result<i16> {
    i16::try_from(bucket).map_err(encode)
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn encode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
