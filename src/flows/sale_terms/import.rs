//! Sets a sale to what its file says.

use super::{
    InRedis, SaleTerms, SaleTermsError, TRIES,
    commit::Write,
    file::{FileError, FileErrors, SaleFile},
    plan::{Change, Plan, Stored, plan},
};
use crate::{
    kernel::{
        clock::from_millis,
        ids::{Bucket, Sku},
        version::{Epoch, Revision},
    },
    shop::{
        catalog::Image,
        inventory::{InventoryError, TermsOutcome},
        sales::{self, Sale},
    },
};

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Whether it changed anything.
    pub outcome: Outcome,
    /// The sale's revision now.
    pub revision: Revision,
    /// Whether Redis has it.
    pub in_redis: InRedis,
    /// What changed; for a new sale, everything.
    pub changes: Vec<Change>,
}

/// Whether an import changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The sale is new.
    Created,
    /// It was there and is changed.
    Changed,
    /// It says what the file says, or was to be imported only if it was absent.
    Unchanged,
}

impl SaleTerms {
    /// Sets the sale to what the file says, all of it or nothing. With `if_absent` a sale that is
    /// there stays as it is. Safe to repeat, also after an error.
    pub async fn import(
        &self,
        file: &SaleFile,
        if_absent: bool,
    ) -> Result<Imported, SaleTermsError> {
        for _ in 0..TRIES {
            let done = match self.read(&file.slug).await? {
                None => self.import_new(file).await?,
                Some(stored) if if_absent => Some(unchanged(&stored)),
                Some(stored) => self.import_again(file, &stored).await?,
            };
            if let Some(imported) = done {
                return Ok(imported);
            }
        }
        Err(SaleTermsError::Contended)
    }

    async fn import_new(&self, file: &SaleFile) -> Result<Option<Imported>, SaleTermsError> {
        // Redis counts milliseconds, and offsets count from here
        let now = from_millis(self.clock.now().timestamp_millis());
        let plan = plan(file, None, now)?;
        let revision = self.create(&plan, images(file), now).await?;
        Ok(revision.map(|revision| Imported {
            outcome: Outcome::Created,
            revision,
            in_redis: InRedis::NotOpened,
            changes: plan.changes,
        }))
    }

    async fn import_again(
        &self,
        file: &SaleFile,
        stored: &Stored,
    ) -> Result<Option<Imported>, SaleTermsError> {
        let now = self.clock.now();
        let plan = plan(file, Some(stored), now)?;
        if plan.changes.is_empty() {
            return Ok(Some(unchanged(stored)));
        }
        if !self.lower(file, stored, &plan).await? {
            return Ok(None);
        }
        // it may have opened while Redis was asked: then other rules hold
        if stored.sale.is_fixed(self.clock.now()) != stored.sale.is_fixed(now) {
            return Ok(None);
        }
        let Some(revision) = self.commit(stored, Write::Import(&plan, images(file))).await? else {
            return Ok(None);
        };
        let sale = sale(stored, &plan);
        let terms = self.terms(&sale, &plan.products)?;
        let in_redis = self.set_in_redis(&sale.slug, stored.epoch, revision, &terms).await;
        Ok(Some(Imported { outcome: Outcome::Changed, revision, in_redis, changes: plan.changes }))
    }

    /// Step 1. False when the sale was changed or opened anew since it was read.
    async fn lower(
        &self,
        file: &SaleFile,
        stored: &Stored,
        plan: &Plan,
    ) -> Result<bool, SaleTermsError> {
        if plan.lowered.is_empty() || stored.epoch == Epoch(0) {
            return Ok(true);
        }
        let revision = sales::store::next_revision(&self.pool).await?;
        let bucket = Bucket::first(stored.sale.slug.clone());
        let lowered =
            self.inventory.lower_totals(&bucket, stored.epoch, revision, &plan.lowered).await;
        match lowered {
            Ok(TermsOutcome::Done) => Ok(true),
            Ok(TermsOutcome::Stale) => Ok(false),
            Ok(TermsOutcome::BelowCommitted { sku, committed }) => {
                Err(below_committed(file, &sku, committed).into())
            }
            Err(error @ InventoryError::Unexpected(_)) => {
                Err(SaleTermsError::Unexpected(error.into()))
            }
            Err(error) => Err(SaleTermsError::StockAway(error)),
        }
    }
}

fn unchanged(stored: &Stored) -> Imported {
    let in_redis = if stored.epoch == Epoch(0) { InRedis::NotOpened } else { InRedis::Set };
    Imported {
        outcome: Outcome::Unchanged,
        revision: stored.sale.revision,
        in_redis,
        changes: Vec::new(),
    }
}

fn images(file: &SaleFile) -> Vec<&Image> {
    file.products.iter().filter_map(|product| product.image.as_ref()).collect()
}

fn sale(stored: &Stored, plan: &Plan) -> Sale {
    Sale {
        title: plan.sale.title.clone(),
        accent: plan.sale.accent,
        currency: plan.sale.currency,
        starts_at: plan.sale.starts_at,
        ends_at: plan.sale.ends_at,
        hold: plan.sale.hold,
        limit_per_shopper: plan.sale.limit_per_shopper,
        ..stored.sale.clone()
    }
}

fn below_committed(file: &SaleFile, sku: &Sku, committed: i64) -> FileErrors {
    let mut items = file.products.iter().flat_map(|product| &product.skus);
    let error = match items.find(|item| item.sku == *sku) {
        Some(item) => FileError::new(
            item.stock.line,
            "product.sku.stock",
            format!("{committed} units of {sku} are held or sold: expected that many or more"),
        ),
        None => FileError::new(
            file.line,
            "product.sku",
            format!("{sku} is missing, but {committed} units of it are held or sold"),
        ),
    };
    error.into()
}
