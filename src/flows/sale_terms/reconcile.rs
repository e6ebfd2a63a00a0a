//! Makes Redis have what Postgres has, after something died between the two.

use super::{InRedis, SaleTerms, SaleTermsError, commit::Write};
use crate::kernel::{
    ids::SaleSlug,
    version::{Epoch, Revision},
};

/// What became of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciled {
    /// There was none, or the sale was never opened.
    Same,
    /// Redis has what Postgres has, under this revision.
    Mended(Revision),
    /// Not yet, for this reason; ask again.
    Later(String),
}

impl SaleTerms {
    /// Mends the sale whose stock in Redis has the revision `in_redis`, if Postgres has another:
    /// commits what Postgres has under a new revision, higher than both, and sets Redis to it. A
    /// total that was lowered by an import that died is raised again: nobody was told of it.
    pub async fn reconcile(
        &self,
        slug: &SaleSlug,
        in_redis: Revision,
    ) -> Result<Reconciled, SaleTermsError> {
        let stored = self.read(slug).await?.ok_or(SaleTermsError::NotFound)?;
        if stored.sale.revision == in_redis || stored.epoch == Epoch(0) {
            return Ok(Reconciled::Same);
        }
        let Some(revision) = self.commit(&stored, Write::Nothing).await? else {
            return Ok(Reconciled::Later("the sale was changed or opened meanwhile".into()));
        };
        let terms = self.terms(&stored.sale, &stored.products)?;
        let set = self.set_in_redis(slug, stored.epoch, revision, &terms).await;
        tracing::info!(sale = %slug, found = in_redis.0, revision = revision.0, ?set,
            "the revisions differed");
        Ok(match set {
            InRedis::Later(reason) => Reconciled::Later(reason),
            InRedis::Set | InRedis::NotOpened => Reconciled::Mended(revision),
        })
    }
}
