//! Sales: their schedule, their switch, and the epochs in which their stock is open.
//!
//! Owns the tables `sales`, `openings` and `sale_phases`. What is read here for requests may be half a second old,
//! and older while Postgres is away: browsing and carts go on from what was known.

mod model;
pub mod phases;
pub mod store;

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::PgPool;
use thiserror::Error;

pub use model::{NewSale, Phase, Sale};

use crate::{
    kernel::ids::SaleSlug,
    platform::recent::{Ages, Recent},
};

/// A page may be rendered from a sale and then be kept for a second itself: together under the two
/// seconds in which an import is visible everywhere.
const AGES: Ages = Ages {
    fresh: Duration::from_millis(500),
    failure: Duration::from_secs(1),
    patience: Duration::from_millis(250),
    first_patience: Duration::from_secs(2),
};

/// For how long after its end a sale's stock is kept open, for what was held then is still bought,
/// released or brought back.
pub const KEEP_AFTER_END: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Why there is no sale to show.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SalesError {
    /// No sale of that name.
    #[error("no such sale")]
    NotFound,
    /// Postgres is away and nothing is known from before.
    #[error("the sales are unavailable: {0}")]
    Unavailable(String),
}

/// The sales as requests read them. Cheap to clone; clones share what they know.
///
/// All sales are one entry: a shop has few, and whoever asks for made-up names costs no question.
#[derive(Debug, Clone)]
pub struct Sales {
    pool: PgPool,
    recent: Recent<(), Listing>,
}

#[derive(Debug)]
struct Listing {
    all: Arc<Vec<Arc<Sale>>>,
    by_slug: HashMap<SaleSlug, Arc<Sale>>,
}

impl Sales {
    /// Reads through `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, recent: Recent::new(AGES, 1, |_| 1) }
    }

    /// The sale of that name.
    pub async fn by_slug(&self, slug: &SaleSlug) -> Result<Arc<Sale>, SalesError> {
        self.listing().await?.by_slug.get(slug).cloned().ok_or(SalesError::NotFound)
    }

    /// All sales, the one that starts first at the front.
    pub async fn listed(&self) -> Result<Arc<Vec<Arc<Sale>>>, SalesError> {
        Ok(self.listing().await?.all.clone())
    }

    /// The next reader asks Postgres again.
    pub async fn invalidate(&self) {
        self.recent.invalidate(&()).await;
    }

    async fn listing(&self) -> Result<Arc<Listing>, SalesError> {
        let load = async { store::all(&self.pool).await.map(Listing::new) };
        let listing = self.recent.get((), |_| false, load).await;
        listing.map_err(|away| SalesError::Unavailable(away.to_string()))
    }
}

impl Listing {
    fn new(sales: Vec<Sale>) -> Self {
        let all: Vec<_> = sales.into_iter().map(Arc::new).collect();
        let by_slug = all.iter().map(|sale| (sale.slug.clone(), sale.clone())).collect();
        Self { all: Arc::new(all), by_slug }
    }
}
