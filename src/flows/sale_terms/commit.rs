//! Steps 2 and 3: commit under a new revision, then set Redis to it.

use sqlx::PgConnection;

use super::{
    BUCKET, InRedis, SaleTerms, SaleTermsError,
    plan::{Plan, Stored},
};
use crate::{
    flows::stock_terms,
    kernel::{
        ids::{Bucket, SaleSlug},
        version::{Epoch, Revision},
    },
    shop::{
        catalog::{self, Image, Product},
        inventory::{Terms, TermsOutcome},
        sales::{self, Sale},
    },
};

/// What a transaction writes besides the new revision.
pub(super) enum Write<'a> {
    /// What a file says.
    Import(&'a Plan, Vec<&'a Image>),
    /// Whether the sale is paused.
    Switch(bool),
    /// Nothing.
    Nothing,
}

impl SaleTerms {
    /// The sale of one moment.
    pub(super) async fn read(&self, slug: &SaleSlug) -> sqlx::Result<Option<Stored>> {
        let mut tx = sales::store::begin_reading(&self.pool).await?;
        let Some(sale) = sales::store::by_slug(&mut *tx, slug).await? else { return Ok(None) };
        let products = catalog::store::products(&mut *tx, sale.id, sale.currency).await?;
        let epoch = sales::store::epoch(&mut *tx, sale.id, BUCKET).await?;
        tx.commit().await?;
        Ok(Some(Stored { sale, products, epoch }))
    }

    /// Writes under a new revision, if the sale is still as it was read; `None` when it is not.
    pub(super) async fn commit(
        &self,
        stored: &Stored,
        write: Write<'_>,
    ) -> sqlx::Result<Option<Revision>> {
        let mut tx = self.pool.begin().await?;
        let id = stored.sale.id;
        let revision = sales::store::revision_for_update(&mut *tx, id).await?;
        let epoch = sales::store::epoch_for_share(&mut tx, id, BUCKET).await?;
        if revision != stored.sale.revision || epoch != stored.epoch {
            return Ok(None);
        }
        let next = sales::store::next_revision(&mut *tx).await?;
        match write {
            Write::Import(plan, images) => {
                let fixed = stored.sale.is_fixed(self.clock.now());
                sales::store::update(&mut *tx, id, &plan.sale, fixed, next).await?;
                set_catalog(&mut tx, id, plan, images).await?;
            }
            Write::Switch(paused) => {
                sales::store::set_switch(&mut *tx, id, paused, next).await?;
            }
            Write::Nothing => {
                sales::store::set_switch(&mut *tx, id, stored.sale.paused, next).await?;
            }
        }
        tx.commit().await?;
        self.sales.invalidate().await;
        Ok(Some(next))
    }

    /// Tells Redis what was committed under `revision` in `epoch`. Whatever is in the way is the
    /// keeper's to mend: Postgres has said it.
    pub(super) async fn set_in_redis(
        &self,
        slug: &SaleSlug,
        epoch: Epoch,
        revision: Revision,
        terms: &Terms,
    ) -> InRedis {
        if epoch == Epoch(0) {
            return InRedis::NotOpened;
        }
        let bucket = Bucket::first(slug.clone());
        match self.inventory.set_terms(&bucket, epoch, revision, terms).await {
            Ok(TermsOutcome::Done | TermsOutcome::Stale) => InRedis::Set,
            Ok(TermsOutcome::BelowCommitted { sku, committed }) => {
                tracing::error!(sale = %slug, %sku, committed, "Redis holds more than is stored");
                InRedis::Later(format!("{committed} units of {sku} are held or sold"))
            }
            Err(error) => InRedis::Later(error.to_string()),
        }
    }

    /// What the stock must know of a sale.
    pub(super) fn terms(&self, sale: &Sale, products: &[Product]) -> Result<Terms, SaleTermsError> {
        Ok(stock_terms(sale, products, self.grace).map_err(anyhow::Error::new)?)
    }

    /// Stores a sale that nobody has imported before; `None` when somebody just did.
    pub(super) async fn create(
        &self,
        plan: &Plan,
        images: Vec<&Image>,
        now: crate::kernel::clock::Timestamp,
    ) -> sqlx::Result<Option<Revision>> {
        let mut tx = self.pool.begin().await?;
        let revision = sales::store::next_revision(&mut *tx).await?;
        let Some(id) = sales::store::insert(&mut *tx, &plan.sale, revision, now).await? else {
            return Ok(None);
        };
        sales::store::create_opening(&mut *tx, id, BUCKET).await?;
        set_catalog(&mut tx, id, plan, images).await?;
        tx.commit().await?;
        self.sales.invalidate().await;
        Ok(Some(revision))
    }
}

async fn set_catalog(
    db: &mut PgConnection,
    sale: crate::kernel::ids::SaleId,
    plan: &Plan,
    images: Vec<&Image>,
) -> sqlx::Result<()> {
    catalog::store::add_images(db, images).await?;
    catalog::store::set_products(db, sale, &plan.products).await
}
