//! Redis' running sums and the times at which a SKU sold out, kept for statistics.
//!
//! Sums begin at 0 with each epoch, so they are kept epoch by epoch, the last of each minute: what
//! happened in a minute is a difference within an epoch. Rows are absolute and carry their version;
//! a flush that is repeated, or comes late, changes nothing.

use std::{collections::BTreeMap, ops::Add};

use sqlx::{PgConnection, PgExecutor};

use super::{Units, store::CountsVersion};
use crate::kernel::{
    clock::Timestamp,
    ids::{SaleId, Sku},
};

/// Writes the running sums, the last of each minute and epoch, and since when a SKU is sold out.
/// What is older than what stands changes nothing.
pub async fn write(
    conn: &mut PgConnection,
    version: CountsVersion,
    counts: &[(Sku, Units)],
) -> sqlx::Result<()> {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let skus: Vec<String> = sorted.iter().map(|(sku, _)| sku.to_string()).collect();
    let column =
        |of: fn(&Units) -> i64| -> Vec<i64> { sorted.iter().map(|(_, units)| of(units)).collect() };
    let (lines, taken) = (column(|units| units.lines), column(|units| units.taken));
    let (given, expired) = (column(|units| units.given), column(|units| units.expired));
    let refused = column(|units| units.refused);
    // what is not on sale at all is not sold out
    let gone: Vec<bool> =
        sorted.iter().map(|(_, units)| units.total > 0 && units.available <= 0).collect();
    sqlx::query!(
        "WITH sums AS (
             SELECT * FROM UNNEST($3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::bigint[], $8::boolean[], $12::bigint[])
                 AS s (sku, lines, taken, given, expired, gone, refused)
         ), times AS (
             INSERT INTO sold_out_times AS old
                 (sale_id, bucket, sku, first_at, since, epoch, seq)
             SELECT $1, $2, sku, CASE WHEN gone THEN $11::timestamptz END,
                 CASE WHEN gone THEN $11::timestamptz END, $9, $10 FROM sums
             ON CONFLICT (sale_id, bucket, sku) DO UPDATE SET
                 first_at = COALESCE(old.first_at, excluded.first_at),
                 since = CASE WHEN excluded.since IS NOT NULL
                     THEN COALESCE(old.since, excluded.since) END,
                 epoch = excluded.epoch, seq = excluded.seq
             WHERE (old.epoch, old.seq) < (excluded.epoch, excluded.seq)
         )
         INSERT INTO stock_sums AS old
             (sale_id, bucket, sku, epoch, minute, seq, lines, taken, given, expired, refused)
         SELECT $1, $2, sku, $9, date_trunc('minute', $11::timestamptz), $10, lines, taken, given,
             expired, refused FROM sums
         ON CONFLICT (sale_id, bucket, sku, epoch, minute) DO UPDATE SET lines = excluded.lines,
             taken = excluded.taken, given = excluded.given, expired = excluded.expired,
             refused = GREATEST(old.refused, excluded.refused), seq = excluded.seq
         WHERE old.seq < excluded.seq
             OR old.seq = excluded.seq AND old.refused < excluded.refused",
        version.sale.0,
        i16::try_from(version.bucket).unwrap_or(i16::MAX),
        &skus,
        &lines,
        &taken,
        &given,
        &expired,
        &gone,
        version.epoch.0,
        version.seq.0,
        version.at,
        &refused
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What happened to a stock in some time, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Times that a line was set to more.
    pub lines: i64,
    /// Units taken from the shelf.
    pub taken: i64,
    /// Units put back on the shelf.
    pub given: i64,
    /// Units that ran out.
    pub expired: i64,
    /// Times that more was asked for than was available.
    pub refused: i64,
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            taken: self.taken + other.taken,
            given: self.given + other.given,
            expired: self.expired + other.expired,
            refused: self.refused + other.refused,
        }
    }
}

/// What happened to a SKU, all epochs together, and when it was sold out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkuStory {
    /// As far as it was flushed.
    pub sums: Sums,
    /// When nothing was available for the first time.
    pub first_at: Option<Timestamp>,
    /// Since when nothing is available.
    pub since: Option<Timestamp>,
}

/// What happened in each minute of a sale: differences of the running sums within each epoch, the
/// earliest first. What was not flushed before an epoch ended is in none.
pub async fn by_minute(
    db: impl PgExecutor<'_>,
    sale: SaleId,
) -> sqlx::Result<Vec<(Timestamp, Sums)>> {
    let rows = sqlx::query!(
        r#"WITH reached AS (
               -- sums never fall; two flushers whose clocks differ may say them the wrong way round
               SELECT bucket, sku, epoch, minute,
                   max(lines) OVER upto AS lines, max(taken) OVER upto AS taken,
                   max(given) OVER upto AS given, max(expired) OVER upto AS expired,
                   max(refused) OVER upto AS refused
               FROM stock_sums WHERE sale_id = $1
               WINDOW upto AS (PARTITION BY bucket, sku, epoch ORDER BY minute)
           ), steps AS (
               SELECT minute, lines - lag(lines, 1, 0::bigint) OVER steps AS lines,
                   taken - lag(taken, 1, 0::bigint) OVER steps AS taken,
                   given - lag(given, 1, 0::bigint) OVER steps AS given,
                   expired - lag(expired, 1, 0::bigint) OVER steps AS expired,
                   refused - lag(refused, 1, 0::bigint) OVER steps AS refused
               FROM reached WINDOW steps AS (PARTITION BY bucket, sku, epoch ORDER BY minute)
           )
           SELECT minute, sum(lines)::bigint AS "lines!", sum(taken)::bigint AS "taken!",
               sum(given)::bigint AS "given!", sum(expired)::bigint AS "expired!",
               sum(refused)::bigint AS "refused!"
           FROM steps GROUP BY minute ORDER BY minute"#,
        sale.0
    );
    let rows = rows.fetch_all(db).await?.into_iter().map(|row| {
        let (lines, taken, given) = (row.lines, row.taken, row.given);
        (row.minute, Sums { lines, taken, given, expired: row.expired, refused: row.refused })
    });
    Ok(rows.collect())
}

/// What happened to each SKU. Of several buckets, a SKU is sold out when the last one is.
pub async fn stories(
    db: impl PgExecutor<'_>,
    sale: SaleId,
) -> sqlx::Result<BTreeMap<Sku, SkuStory>> {
    let rows = sqlx::query!(
        r#"WITH ends AS (
               SELECT bucket, sku, epoch, max(lines) AS lines, max(taken) AS taken,
                   max(given) AS given, max(expired) AS expired, max(refused) AS refused
               FROM stock_sums WHERE sale_id = $1 GROUP BY bucket, sku, epoch
           ), times AS (
               SELECT sku, CASE WHEN bool_and(first_at IS NOT NULL) THEN max(first_at) END
                       AS first_at,
                   CASE WHEN bool_and(since IS NOT NULL) THEN max(since) END AS since
               FROM sold_out_times WHERE sale_id = $1 GROUP BY sku
           )
           SELECT ends.sku AS "sku!", sum(lines)::bigint AS "lines!", sum(taken)::bigint AS "taken!",
               sum(given)::bigint AS "given!", sum(expired)::bigint AS "expired!",
               sum(refused)::bigint AS "refused!", min(first_at) AS first_at, min(since) AS since
           FROM ends LEFT JOIN times ON times.sku = ends.sku GROUP BY ends.sku"#,
        sale.0
    );
    let rows = rows.fetch_all(db).await?.into_iter().map(|row| {
        let sku = row.sku.parse().map_err(|_| sqlx::Error::Decode("not a SKU".into()))?;
        let (lines, taken, given) = (row.lines, row.taken, row.given);
        let sums = Sums { lines, taken, given, expired: row.expired, refused: row.refused };
        Ok((sku, SkuStory { sums, first_at: row.first_at, since: row.since }))
    });
    rows.collect()
}

/// Openings after the first of which something is known: as often may seconds be missing.
pub async fn reopenings(db: impl PgExecutor<'_>, sale: SaleId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT GREATEST(count(*) - 1, 0) AS "n!" FROM (
               SELECT DISTINCT bucket, epoch FROM stock_sums WHERE sale_id = $1) e"#,
        sale.0
    )
    .fetch_one(db)
    .await
}
