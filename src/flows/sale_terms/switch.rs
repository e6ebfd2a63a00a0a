//! Pauses and resumes a sale.

use super::{InRedis, SaleTerms, SaleTermsError, TRIES, commit::Write};
use crate::{
    kernel::{
        ids::SaleSlug,
        version::{Epoch, Revision},
    },
    shop::sales::Sale,
};

/// What turning the switch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// False when it stood so already.
    pub changed: bool,
    /// The sale's revision now.
    pub revision: Revision,
    /// Whether Redis has it.
    pub in_redis: InRedis,
}

impl SaleTerms {
    /// Pauses the sale, or lets it go on. While it is paused nothing more is taken; releases, and
    /// checkouts of what is held, go on.
    pub async fn set_paused(
        &self,
        slug: &SaleSlug,
        paused: bool,
    ) -> Result<Switched, SaleTermsError> {
        for _ in 0..TRIES {
            let stored = self.read(slug).await?.ok_or(SaleTermsError::NotFound)?;
            let opened = stored.epoch != Epoch(0);
            if stored.sale.paused == paused {
                let in_redis = if opened { InRedis::Set } else { InRedis::NotOpened };
                let revision = stored.sale.revision;
                return Ok(Switched { changed: false, revision, in_redis });
            }
            if let Some(revision) = self.commit(&stored, Write::Switch(paused)).await? {
                let sale = Sale { paused, ..stored.sale };
                let terms = self.terms(&sale, &stored.products)?;
                let in_redis = self.set_in_redis(slug, stored.epoch, revision, &terms).await;
                return Ok(Switched { changed: true, revision, in_redis });
            }
        }
        Err(SaleTermsError::Contended)
    }
}
