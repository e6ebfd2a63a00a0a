//! Redis' counts to Postgres, for people to read. Absolute, guarded by their version, and only what
//! changed; several copies do no harm.
//!
//! With the counts is written that a SKU sold out, or that something of it came back, as compared
//! with the counts that stood: their rows are locked, so of several copies one tells it.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgPool;

use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::{Ids, SaleId, Sku},
    },
    platform::outbox::Outbox,
    shop::{
        events::{self, Event, Fact, StockFact},
        inventory::{self, Crossing, Inventory, Units},
        sales::store::Kept,
    },
};

/// Flushes counts and remembers what it has flushed.
pub struct StockFlush {
    pool: PgPool,
    inventory: Inventory,
    clock: Clock,
    ids: Ids,
    outbox: Outbox,
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
    pub fn new(pool: PgPool, inventory: Inventory, clock: Clock, ids: Ids, outbox: Outbox) -> Self {
        Self { pool, inventory, clock, ids, outbox, flushed: HashMap::new() }
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
            let written = inventory::store::lock_counts(&mut tx, version, &changed).await?;
            inventory::store::write_counts(&mut tx, version, &changed).await?;
            inventory::sums::write(&mut tx, version, &changed).await?;
            let crossed = inventory::crossings(&written, version, &changed).into_iter();
            let events: Vec<_> = crossed.map(|crossing| self.event(sale, crossing, now)).collect();
            if !events.is_empty() {
                events::store::append(&mut *tx, &events).await?;
            }
            tx.commit().await?;
            if !events.is_empty() {
                self.outbox.wake();
            }
            self.flushed.insert(sale.sale, snapshot.units.clone());
        }
        Ok(Flushed { units: snapshot.units, at: Some(now) })
    }

    fn event(&self, sale: &Kept, crossing: Crossing, now: Timestamp) -> Event {
        let (sold_out, units) = (crossing.sold_out(), crossing.units);
        let fact = StockFact {
            sale: sale.slug.clone(),
            sku: crossing.sku,
            total: units.total,
            available: units.available,
            held: units.held,
            sold: units.sold,
        };
        let fact = if sold_out { Fact::StockSoldOut(fact) } else { Fact::StockReturned(fact) };
        Event::new(self.ids.unique(), now, fact)
    }
}
