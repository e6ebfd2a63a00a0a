//! Redis' counts to Postgres, for people to read. Absolute, guarded by their version, and only what
//! changed; several copies do no harm.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgPool;

use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::{SaleId, Sku},
    },
    shop::{
        inventory::{self, Inventory, Units},
        sales::store::Kept,
    },
};

/// Flushes counts and remembers what it has flushed.
pub struct StockFlush {
    pool: PgPool,
    inventory: Inventory,
    clock: Clock,
    flushed: HashMap<SaleId, BTreeMap<Sku, Units>>,
}

/// What a flush found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Counters of every SKU; empty when the sale is closed.
    pub units: BTreeMap<Sku, Units>,
    /// When they were read.
    pub at: Option<Timestamp>,
}

impl StockFlush {
    /// Has flushed nothing yet.
    #[must_use]
    pub fn new(pool: PgPool, inventory: Inventory, clock: Clock) -> Self {
        Self { pool, inventory, clock, flushed: HashMap::new() }
    }

    /// Writes what changed since the last flush of this sale. A closed sale has nothing to flush.
    pub async fn flush(&mut self, sale: &Kept) -> anyhow::Result<Flushed> {
        let bucket = sale.bucket();
        let Some(snapshot) = self.inventory.snapshot(&bucket).await? else {
            return Ok(Flushed::default());
        };
        let now = self.clock.now();
        let before = self.flushed.get(&sale.sale);
        let changed: Vec<_> = snapshot
            .units
            .iter()
            .filter(|(sku, units)| before.and_then(|before| before.get(sku)) != Some(units))
            .map(|(sku, units)| (sku.clone(), *units))
            .collect();
        if !changed.is_empty() {
            let version = inventory::store::CountsVersion {
                sale: sale.sale,
                bucket: bucket.number,
                epoch: snapshot.epoch,
                seq: snapshot.seq,
                at: now,
            };
            let mut tx = self.pool.begin().await?;
            inventory::store::write_counts(&mut tx, version, &changed).await?;
            inventory::sums::write(&mut tx, version, &changed).await?;
            tx.commit().await?;
            self.flushed.insert(sale.sale, snapshot.units.clone());
        }
        Ok(Flushed { units: snapshot.units, at: Some(now) })
    }
}
