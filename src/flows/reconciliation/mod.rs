//! The audit: is every unit where it should be, and every order paid for once?
//!
//! Sums are made from the claims and returns one by one, for counters alone move in pairs. While
//! shoppers are at work, claims cannot be summed at one instant; then the audit looks again until it
//! finds a moment in which nothing moved, and says so when there is none.

mod compare;
mod mending;
mod payments;
mod store;

use std::{collections::BTreeMap, time::Duration};

use sqlx::PgPool;

pub use compare::{Breach, SkuSums, breaches};
pub use payments::{Difference, Kind, OnRecord, differences};

use crate::{
    kernel::{
        ids::{Bucket, Sku},
        version::Epoch,
    },
    shop::{
        cart, catalog,
        inventory::{Inventory, InventoryError, Snapshot},
        orders,
        payments::Payments,
        sales::{self, Sale},
    },
};

/// Looks until a quiet moment is found.
const LOOKS: usize = 20;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// What an audit of one sale found.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The sale.
    pub sale: Sale,
    /// The epoch it is open under; `None` when it is closed, and then Redis was not compared.
    pub epoch: Option<Epoch>,
    /// Whether claims and counters were read at one instant; if not, only counters were compared.
    pub quiet: bool,
    /// Checkouts and refunds that are not final.
    pub open_sagas: i64,
    /// Sums per SKU.
    pub skus: BTreeMap<Sku, SkuSums>,
    /// What is wrong; empty when all is well.
    pub breaches: Vec<Breach>,
}

/// The verbs of the audit. Cheap to clone.
#[derive(Clone)]
pub struct Auditor {
    pool: PgPool,
    inventory: Inventory,
    payments: Payments,
}

/// What Redis says of one instant, or of as little time as could be had.
struct InRedis {
    snapshot: Snapshot,
    quiet: bool,
    claimed: BTreeMap<Sku, (i64, i64)>,
    returning: BTreeMap<Sku, i64>,
}

impl Auditor {
    /// Audits what these hold.
    #[must_use]
    pub fn new(pool: PgPool, inventory: Inventory, payments: Payments) -> Self {
        Self { pool, inventory, payments }
    }

    /// Audits every sale.
    pub async fn all(&self) -> anyhow::Result<Vec<Audit>> {
        let mut audits = Vec::new();
        for sale in sales::store::all(&self.pool).await? {
            audits.push(self.sale(sale).await?);
        }
        Ok(audits)
    }

    /// Audits one sale; a breach counts when it stands in two looks.
    pub async fn sale(&self, sale: Sale) -> anyhow::Result<Audit> {
        let mut last = self.look(&sale).await?;
        for _ in 1..LOOKS {
            // lines on their way through the stream, and checkouts between two steps, settle soon
            if last.quiet && last.breaches.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            last = self.look(&sale).await?;
        }
        Ok(last)
    }

    async fn look(&self, sale: &Sale) -> anyhow::Result<Audit> {
        let bucket = Bucket::first(sale.slug.clone());
        let redis = match self.read_redis(&bucket).await {
            Ok(found) => found,
            Err(InventoryError::Closed) => None,
            Err(error) => return Err(error.into()),
        };
        let mut skus: BTreeMap<Sku, SkuSums> = BTreeMap::new();
        let catalog = catalog::store::products(&self.pool, sale.id, sale.currency).await?;
        for sku in catalog.iter().flat_map(|product| &product.skus) {
            skus.entry(sku.sku.clone()).or_default().total = sku.total;
        }
        for (sku, units) in orders::rebuild::paid_units(&self.pool, sale.id).await? {
            skus.entry(sku.parse()?).or_default().paid = units;
        }
        for (sku, units) in cart::store::held_units(&self.pool, sale.id).await? {
            skus.entry(sku.parse()?).or_default().held_on_paper = units;
        }
        let open_sagas = orders::rebuild::open_sagas(&self.pool, sale.id).await?;
        let (epoch, quiet) = match &redis {
            Some(redis) => {
                redis.add_to(&mut skus);
                (Some(redis.snapshot.epoch), redis.quiet)
            }
            None => (None, true),
        };
        // totals are set in Redis and in Postgres one after the other
        let same_terms =
            redis.as_ref().is_some_and(|redis| redis.snapshot.revision == sale.revision);
        let breaches = breaches(&skus, epoch.is_some(), quiet, same_terms, open_sagas);
        Ok(Audit { sale: sale.clone(), epoch, quiet, open_sagas, skus, breaches })
    }

    async fn read_redis(&self, bucket: &Bucket) -> Result<Option<InRedis>, InventoryError> {
        let Some(snapshot) = self.inventory.snapshot(bucket).await? else { return Ok(None) };
        let mut claims = BTreeMap::new();
        let mut cursor = 0;
        loop {
            let (next, page) = self.inventory.scan_claims(bucket, snapshot.epoch, cursor).await?;
            claims.extend(page);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut claimed: BTreeMap<Sku, (i64, i64)> = BTreeMap::new();
        for claim in claims.values() {
            for (sku, held, sold) in claim.units() {
                let sums = claimed.entry(sku.clone()).or_default();
                sums.0 += held;
                sums.1 += sold;
            }
        }
        let returning = self.inventory.returning_units(bucket, snapshot.epoch).await?;
        let after = self.inventory.snapshot(bucket).await?;
        let quiet =
            after.is_some_and(|after| (after.epoch, after.seq) == (snapshot.epoch, snapshot.seq));
        Ok(Some(InRedis { snapshot, quiet, claimed, returning }))
    }
}

impl InRedis {
    fn add_to(&self, skus: &mut BTreeMap<Sku, SkuSums>) {
        for (sku, units) in &self.snapshot.units {
            let sums = skus.entry(sku.clone()).or_default();
            sums.counted = *units;
        }
        for (sku, (held, sold)) in &self.claimed {
            let sums = skus.entry(sku.clone()).or_default();
            (sums.claimed_held, sums.claimed_sold) = (*held, *sold);
        }
        for (sku, units) in &self.returning {
            skus.entry(sku.clone()).or_default().returning = *units;
        }
    }
}
