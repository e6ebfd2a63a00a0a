//! All SQL of the stock's counts: copies for people to read, never read back into Redis.

use std::collections::BTreeMap;

use sqlx::{PgConnection, PgExecutor};

use super::{Units, Written};
use crate::kernel::{
    clock::Timestamp,
    ids::{SaleId, Sku},
    version::{Epoch, Seq},
};

/// Of what, and as of when, counts are.
#[derive(Debug, Clone, Copy)]
pub struct CountsVersion {
    /// The sale.
    pub sale: SaleId,
    /// Its bucket.
    pub bucket: u16,
    /// Compared first.
    pub epoch: Epoch,
    /// Counters change only together with it.
    pub seq: Seq,
    /// When they were read.
    pub at: Timestamp,
}

/// The counts of these SKUs in every bucket, as they were written last, locked until the
/// transaction ends. What was never counted is taken to be whole, as of before the first version.
pub async fn lock_counts(
    conn: &mut PgConnection,
    version: CountsVersion,
    counts: &[(Sku, Units)],
) -> sqlx::Result<BTreeMap<Sku, Vec<Written>>> {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let (skus, totals): (Vec<String>, Vec<i64>) =
        sorted.iter().map(|(sku, units)| (sku.to_string(), units.total)).unzip();
    let bucket = i16::try_from(version.bucket).unwrap_or(i16::MAX);
    let mut written = locked_counts(&mut *conn, version.sale, &skus).await?;
    let counted = |buckets: &Vec<Written>| buckets.iter().any(|one| one.bucket == version.bucket);
    if sorted.iter().any(|(sku, _)| !written.get(sku).is_some_and(counted)) {
        sqlx::query!(
            "INSERT INTO stock_counts
                 (sale_id, bucket, sku, total, available, held, sold, epoch, seq, flushed_at)
             SELECT $1, $2, sku, total, total, 0, 0, 0, 0, $5
             FROM UNNEST($3::text[], $4::bigint[]) AS c (sku, total)
             ON CONFLICT DO NOTHING",
            version.sale.0,
            bucket,
            &skus,
            &totals,
            version.at
        )
        .execute(&mut *conn)
        .await?;
        written = locked_counts(conn, version.sale, &skus).await?;
    }
    Ok(written)
}

async fn locked_counts(
    conn: &mut PgConnection,
    sale: SaleId,
    skus: &[String],
) -> sqlx::Result<BTreeMap<Sku, Vec<Written>>> {
    let rows = sqlx::query!(
        "SELECT sku, bucket, total, available, held, sold, epoch, seq FROM stock_counts
         WHERE sale_id = $1 AND sku = ANY($2) ORDER BY sku, bucket FOR UPDATE",
        sale.0,
        skus
    );
    let mut written: BTreeMap<Sku, Vec<Written>> = BTreeMap::new();
    for row in rows.fetch_all(conn).await? {
        let sku = row.sku.parse().map_err(|_| sqlx::Error::Decode("not a SKU".into()))?;
        let (total, available, held, sold) = (row.total, row.available, row.held, row.sold);
        let units = Units { total, available, held, sold, ..Units::default() };
        let bucket = u16::try_from(row.bucket).map_err(|e| sqlx::Error::Decode(e.into()))?;
        let version = (Epoch(row.epoch), Seq(row.seq));
        written.entry(sku).or_default().push(Written { bucket, units, version });
    }
    Ok(written)
}

/// Writes counts, unless newer ones stand already, and the last of each minute into the history.
pub async fn write_counts(
    conn: &mut PgConnection,
    version: CountsVersion,
    counts: &[(Sku, Units)],
) -> sqlx::Result<()> {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let skus: Vec<String> = sorted.iter().map(|(sku, _)| sku.to_string()).collect();
    let column =
        |of: fn(&Units) -> i64| -> Vec<i64> { sorted.iter().map(|(_, units)| of(units)).collect() };
    let (totals, available) = (column(|units| units.total), column(|units| units.available));
    let (held, sold) = (column(|units| units.held), column(|units| units.sold));
    let bucket = i16::try_from(version.bucket).unwrap_or(i16::MAX);
    sqlx::query!(
        "WITH counts AS (
             SELECT * FROM UNNEST($3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::bigint[]) AS c (sku, total, available, held, sold)
         ), now AS (
             INSERT INTO stock_counts AS old
                 (sale_id, bucket, sku, total, available, held, sold, epoch, seq, flushed_at)
             SELECT $1, $2, sku, total, available, held, sold, $8, $9, $10 FROM counts
             ON CONFLICT (sale_id, bucket, sku) DO UPDATE SET total = excluded.total,
                 available = excluded.available, held = excluded.held, sold = excluded.sold,
                 epoch = excluded.epoch, seq = excluded.seq, flushed_at = excluded.flushed_at
             WHERE (old.epoch, old.seq) < (excluded.epoch, excluded.seq)
         )
         INSERT INTO stock_history AS old
             (sale_id, bucket, sku, minute, total, available, held, sold, epoch, seq)
         SELECT $1, $2, sku, date_trunc('minute', $10::timestamptz), total, available, held, sold,
             $8, $9 FROM counts
         ON CONFLICT (sale_id, bucket, sku, minute) DO UPDATE SET total = excluded.total,
             available = excluded.available, held = excluded.held, sold = excluded.sold,
             epoch = excluded.epoch, seq = excluded.seq
         WHERE (old.epoch, old.seq) < (excluded.epoch, excluded.seq)",
        version.sale.0,
        bucket,
        &skus,
        &totals,
        &available,
        &held,
        &sold,
        version.epoch.0,
        version.seq.0,
        version.at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The counts that were flushed last, buckets added up, and when the oldest of them was.
pub async fn counts(
    db: impl PgExecutor<'_>,
    sale: SaleId,
) -> sqlx::Result<Option<(BTreeMap<Sku, Units>, Timestamp)>> {
    let rows = sqlx::query!(
        r#"SELECT sku, SUM(total)::bigint AS "total!", SUM(available)::bigint AS "available!",
               SUM(held)::bigint AS "held!", SUM(sold)::bigint AS "sold!",
               MIN(flushed_at) AS "at!"
           FROM stock_counts WHERE sale_id = $1 GROUP BY sku"#,
        sale.0
    )
    .fetch_all(db)
    .await?;
    let Some(at) = rows.iter().map(|row| row.at).min() else { return Ok(None) };
    let mut counts = BTreeMap::new();
    for row in rows {
        let sku = row.sku.parse().map_err(|_| sqlx::Error::Decode("not a SKU".into()))?;
        let units = Units {
            total: row.total,
            available: row.available,
            held: row.held,
            sold: row.sold,
            ..Units::default()
        };
        counts.insert(sku, units);
    }
    Ok(Some((counts, at)))
}
