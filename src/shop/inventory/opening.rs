//! Opening a sale: mark, build beside the old keys, swap in.

use std::{collections::BTreeMap, mem};

use redis::Pipeline;

use super::{
    Inventory,
    claim::Claim,
    model::{Built, InventoryError, Opening, OverCommitted, Terms, Units},
    redis::Next,
    reply::{Code, unexpected},
    taking::hex,
};
use crate::kernel::{
    ids::{Bucket, ShopperId, Sku},
    version::{Epoch, Revision},
};

/// Claims written by one command: enough that round trips don't count, few enough that nobody waits
/// long behind it.
const CLAIMS_PER_COMMAND: usize = 500;
/// What a keeper that died has built goes away by itself after this many seconds.
const LEFTOVERS_LAST: u32 = 3600;

impl Inventory {
    /// Marks that this keeper is about to open the sale on this server, unless a later one did.
    pub async fn mark_opening(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
    ) -> Result<Opening, InventoryError> {
        let call = self.keys(bucket).call(&self.0.scripts.mark_opening).arg(epoch.0);
        opening(self.run(call).await?.open()?.0)
    }

    /// Begins to build the stock of `epoch` beside the old keys, from nothing.
    pub async fn build(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        revision: Revision,
        terms: &Terms,
    ) -> Result<Build, InventoryError> {
        let next = self.keys(bucket).next(epoch.0);
        self.0.redis.ask(redis::cmd("UNLINK").arg(&next.stock).arg(&next.claims)).await?;
        let mut stock =
            terms.fields().map(|(name, value)| (name.to_owned(), value.to_string())).to_vec();
        stock.push(("epoch".to_owned(), epoch.0.to_string()));
        stock.push(("rev".to_owned(), revision.0.to_string()));
        let mut units = BTreeMap::new();
        for sku in &terms.skus {
            let product = format!("{} {}", sku.product, sku.product_limit.get());
            stock.push((format!("p:{}", sku.sku), product));
            let total = sku.total.into();
            units.insert(sku.sku.clone(), Units { total, available: total, ..Units::default() });
        }
        let inventory = self.clone();
        Ok(Build { inventory, next, stock, units, chunk: Vec::new(), claims: 0 })
    }

    /// Opens the sale with what was built, if this keeper's mark still stands on this server.
    pub async fn swap_in(&self, bucket: &Bucket, epoch: Epoch) -> Result<Opening, InventoryError> {
        let keys = self.keys(bucket);
        let call = keys.call_with(&self.0.scripts.swap_in, &keys.next(epoch.0));
        opening(self.run(call.arg(epoch.0)).await?.open()?.0)
    }
}

fn opening(code: Code) -> Result<Opening, InventoryError> {
    match code {
        Code::Done => Ok(Opening::Done),
        Code::Overtaken => Ok(Opening::Overtaken),
        other => Err(unexpected(&format!("{other:?}"))),
    }
}

/// A stock that is being built. Claims are pushed in any order, each shopper once; counters are
/// their sums.
pub struct Build {
    inventory: Inventory,
    next: Next,
    stock: Vec<(String, String)>,
    units: BTreeMap<Sku, Units>,
    chunk: Vec<(String, String)>,
    claims: u64,
}

impl Build {
    /// Adds one shopper's claim.
    pub async fn push(&mut self, shopper: ShopperId, claim: &Claim) -> Result<(), InventoryError> {
        for (sku, held, sold) in claim.units() {
            if held + sold == 0 {
                continue;
            }
            // Of a SKU that the sale no longer has, the total is 0.
            let units = self.units.entry(sku.clone()).or_default();
            units.held += held;
            units.sold += sold;
            units.available -= held + sold;
        }
        self.claims += 1;
        self.chunk.push((hex(shopper), claim.to_string()));
        if self.chunk.len() >= CLAIMS_PER_COMMAND { self.flush().await } else { Ok(()) }
    }

    /// Writes the counters, and last the number of claims, without which nothing is swapped in.
    pub async fn finish(mut self) -> Result<Built, InventoryError> {
        self.flush().await?;
        let committed = |units: &Units| units.held + units.sold;
        let over: Vec<_> = self
            .units
            .iter()
            .filter(|(_, units)| units.available < 0)
            .map(|(sku, units)| OverCommitted {
                sku: sku.clone(),
                total: units.total,
                committed: committed(units),
            })
            .collect();
        if !over.is_empty() {
            return Ok(Built::OverCommitted(over));
        }
        let counters: Vec<_> =
            self.units.iter().map(|(sku, units)| (format!("u:{sku}"), units.pack())).collect();
        self.stock.extend(counters);
        self.stock.push(("claims".to_owned(), self.claims.to_string()));
        self.put(&self.next.stock, &self.stock).await?;
        Ok(Built::Ready { claims: self.claims })
    }

    async fn flush(&mut self) -> Result<(), InventoryError> {
        let chunk = mem::take(&mut self.chunk);
        if chunk.is_empty() { Ok(()) } else { self.put(&self.next.claims, &chunk).await }
    }

    async fn put(&self, key: &str, fields: &[(String, String)]) -> Result<(), InventoryError> {
        let mut commands = Pipeline::with_capacity(2);
        let put = commands.cmd("HSET").arg(key);
        for (field, value) in fields {
            put.arg(field).arg(value);
        }
        commands.cmd("EXPIRE").arg(key).arg(LEFTOVERS_LAST);
        self.inventory.0.redis.ask_all(&commands).await?;
        Ok(())
    }
}
