//! Going on with checkouts that were left: by an owner who died, or who could not go on.

use futures_util::{StreamExt, stream};

use super::{Checkout, CheckoutError, store};
use crate::{kernel::ids::OrderId, shop::orders};

/// Keys forgotten in one statement.
const FORGOTTEN: i64 = 1_000;

impl Checkout {
    /// Takes over checkouts whose lease is over, `limit` at most, and carries them all at once as
    /// far as they go. Says how many there were: as many as the limit means that there may be
    /// more. `limit` bounds the connections and the calls of the provider that are under way.
    pub async fn resume_due(&self, limit: u16) -> Result<usize, CheckoutError> {
        let due = {
            let mut conn = self.pool.acquire().await?;
            store::take_over(&mut conn, limit.into(), self.settings.lease).await?
        };
        let taken = due.len();
        stream::iter(due).for_each_concurrent(None, |saga| self.carry(saga)).await;
        Ok(taken)
    }

    /// Takes over one checkout, if nobody carries it, and carries it as far as it goes.
    pub async fn resume(&self, order: OrderId) -> Result<(), CheckoutError> {
        let due = {
            let mut conn = self.pool.acquire().await?;
            store::take_over_one(&mut conn, order, self.settings.lease).await?
        };
        for saga in due {
            self.carry(saga).await;
        }
        Ok(())
    }

    /// Forgets keys that need not be remembered any more; says how many.
    pub async fn forget_keys(&self) -> Result<u64, CheckoutError> {
        Ok(orders::store::forget_keys(&self.pool, self.clock.now(), FORGOTTEN).await?)
    }
}
