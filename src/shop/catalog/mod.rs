//! The catalogue: products, their SKUs and pictures.
//!
//! Owns the tables `products`, `skus` and `images`. A picture is stored under the hash of its bytes
//! and never changes. Products change only together with their sale's revision, so what is known
//! here is read again exactly when the sale, as the caller knows it, has a higher one.

mod image;
mod model;
mod search;
pub mod store;
mod svg;

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::Semaphore;

pub use image::{ContentType, Image, ImageHash, InvalidHash, InvalidImage};
pub use model::{ImageRef, Product, SaleCatalog, SkuItem};
pub use search::{Found, InvalidWords, Words};

use crate::{
    kernel::{ids::SaleId, money::Currency, version::Revision},
    platform::recent::{Ages, Away, Recent},
};

/// Freshness is the revision's business; the hour only lets go of what nobody asks for.
const AGES: Ages = Ages {
    fresh: Duration::from_hours(1),
    failure: Duration::from_secs(1),
    patience: Duration::from_millis(250),
    first_patience: Duration::from_secs(2),
};

/// Titles change seldom; what is sold by then is said by the page itself.
const SEARCH_AGES: Ages = Ages { fresh: Duration::from_secs(5), ..AGES };

/// Searches that are remembered, and those that may ask Postgres at once: a crowd that types
/// nonsense must not take the connections of those who buy.
const SEARCHES: u64 = 1_000;
const SEARCHES_AT_ONCE: usize = 2;

/// Sales whose products are kept in memory.
const SALES: u64 = 1_000;

/// Bytes of pictures that are kept in memory.
const PICTURE_BYTES: u64 = 64 * 1024 * 1024;

/// Postgres is away and nothing is known from before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the catalogue is unavailable: {0}")]
pub struct CatalogError(#[from] Away);

/// The catalogue as requests read it. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: PgPool,
    sales: Recent<SaleId, SaleCatalog>,
    images: Recent<ImageHash, Option<Image>>,
    searches: Recent<Words, Vec<Found>>,
    searching: Arc<Semaphore>,
}

impl Catalog {
    /// Reads through `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let weigh = |image: &Option<Image>| {
            let bytes = image.as_ref().map_or(0, |image| image.bytes.len());
            u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(100)
        };
        Self {
            pool,
            sales: Recent::new(AGES, SALES, |_| 1),
            images: Recent::new(AGES, PICTURE_BYTES, weigh),
            searches: Recent::new(SEARCH_AGES, SEARCHES, |_| 1),
            searching: Arc::new(Semaphore::new(SEARCHES_AT_ONCE)),
        }
    }

    /// What the sale sells: as of `revision` or later, or, while Postgres is away, as last known.
    pub async fn of_sale(
        &self,
        sale: SaleId,
        currency: Currency,
        revision: Revision,
    ) -> Result<Arc<SaleCatalog>, CatalogError> {
        let load = async {
            let products = store::products(&self.pool, sale, currency).await?;
            Ok::<_, sqlx::Error>(SaleCatalog::new(products, revision))
        };
        let behind = |known: &SaleCatalog| known.revision < revision;
        Ok(self.sales.get(sale, behind, load).await?)
    }

    /// Products of these sales that answer to `words`, the best first.
    pub async fn search(
        &self,
        sales: &[SaleId],
        words: &Words,
    ) -> Result<Arc<Vec<Found>>, CatalogError> {
        let load = async {
            let _turn = self.searching.acquire().await;
            search::search(&self.pool, sales, words).await
        };
        Ok(Box::pin(self.searches.get(words.clone(), |_| false, load)).await?)
    }

    /// A picture by its name; `None` when there is none.
    pub async fn image(&self, hash: &ImageHash) -> Result<Option<Image>, CatalogError> {
        let load = store::image(&self.pool, hash);
        // what is not there yet may come with the next import
        let image = self.images.get(hash.clone(), Option::is_none, load).await?;
        Ok(image.as_ref().clone())
    }
}
