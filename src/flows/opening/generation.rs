//! The cart stream in the broker: made at first, and made anew when a broker comes back empty.
//!
//! The exchange is the witness. It is made last and a broker that kept its data has it from its
//! first moment, while the stream may be missing for some seconds after every start.

use anyhow::Context;

use super::Opening;
use crate::{
    kernel::{ids::Bucket, version::Epoch},
    platform::postgres,
    shop::{
        cart::{self, message::CartMessage},
        inventory::InventoryError,
        sales::{self, store::Kept},
    },
};

/// Claims published again in one message.
const REPUBLISH_BATCH: usize = 500;

impl Opening {
    /// Makes sure that the broker has the stream that Postgres knows. When it does not, the next
    /// generation is made, bound for the present epochs, and every claim of `sales` is published to
    /// it again.
    pub async fn ensure_stream(&self, sales: &[Kept]) -> anyhow::Result<()> {
        let state = self.stream_state().await?;
        let known = state.generation == self.stream.generation() && !state.republish;
        if known && self.rabbit.exchange_exists(&self.stream.exchange()).await? {
            return Ok(());
        }
        let mut lock = self.pool.begin().await?;
        if !postgres::try_lock(&mut lock, "cart stream", 0).await? {
            return Ok(());
        }
        let mut state = self.stream_state().await?;
        self.stream.set_generation(state.generation);
        if !self.rabbit.exchange_exists(&self.stream.exchange()).await? {
            state = self.make_stream(state.generation).await?;
        }
        if state.republish {
            for sale in sales {
                self.restore_sale(sale).await.with_context(|| format!("sale {}", sale.slug))?;
            }
            cart::store::republished(&self.pool, state.generation).await?;
        }
        Ok(lock.rollback().await?)
    }

    async fn stream_state(&self) -> sqlx::Result<cart::store::StreamState> {
        cart::store::stream_state(&mut *self.pool.acquire().await?).await
    }

    /// The generation is committed before the broker hears of it, so that a stream once filled
    /// under this name is never taken for a new one.
    async fn make_stream(&self, last: i64) -> anyhow::Result<cart::store::StreamState> {
        cart::store::next_generation(&self.pool, last).await?;
        let state = self.stream_state().await?;
        let generation = state.generation;
        tracing::warn!(generation, "making the cart stream; the broker does not know it");
        let (queue, limits) = (self.stream.queue_of(generation), &self.patience.stream_limits);
        self.rabbit.declare_stream(&queue, limits).await?;
        // A broker that is killed just after its very first stream forgets who looks after it, and
        // answers 404 for that stream for ever. Killed before the second look, it has no witness
        // either, and the next generation is made.
        tokio::time::sleep(self.patience.stream_settle).await;
        self.rabbit.declare_stream(&queue, limits).await?;
        self.rabbit.declare_exchange(&self.stream.exchange_of(generation)).await?;
        self.stream.set_generation(generation);
        Ok(state)
    }

    /// Binds a sale's present epoch in the new generation and publishes its claims again. Under the
    /// sale's lock: a keeper that opens it meanwhile must not find an older epoch bound later.
    async fn restore_sale(&self, sale: &Kept) -> anyhow::Result<()> {
        let bucket = sale.bucket();
        let Some(lock) = self.try_lock(sale).await? else {
            anyhow::bail!("another keeper is opening it");
        };
        let epoch = sales::store::epoch(&self.pool, sale.sale, bucket.number).await?;
        if epoch != Epoch::default() {
            let generation = self.stream.generation();
            let key = cart::stream::routing_key(&bucket, epoch);
            let queue = self.stream.queue_of(generation);
            self.rabbit.bind(&queue, &self.stream.exchange(), &key).await?;
            // the lock may have been lost, and the sale been opened again since
            if sales::store::epoch(&self.pool, sale.sale, bucket.number).await? != epoch {
                self.rabbit.unbind(&queue, &self.stream.exchange(), &key).await?;
                anyhow::bail!("another keeper has opened it meanwhile");
            }
            match self.republish(sale, &bucket, epoch).await {
                Ok(claims) => tracing::info!(sale = %sale.slug, claims, "published again"),
                // closed: the opening that follows starts from paper anyway
                Err(Republish::Inventory(InventoryError::Closed)) => {}
                Err(Republish::Inventory(error)) => return Err(error.into()),
                Err(Republish::Other(error)) => return Err(error),
            }
        }
        Ok(lock.rollback().await?)
    }

    /// Publishes every claim again, zero lines included: without them paper would keep ghosts of
    /// lines whose release was lost with the broker.
    async fn republish(
        &self,
        sale: &Kept,
        bucket: &Bucket,
        epoch: Epoch,
    ) -> Result<usize, Republish> {
        let publisher = self.rabbit.publisher();
        let key = cart::stream::routing_key(bucket, epoch);
        let (mut cursor, mut claims) = (0, 0);
        loop {
            let (next, page) = self.inventory.scan_claims(bucket, epoch, cursor).await?;
            let shoppers: Vec<_> = page.iter().map(|(shopper, _)| *shopper).collect();
            claims += shoppers.len();
            for shoppers in shoppers.chunks(REPUBLISH_BATCH) {
                let lines = self.inventory.restate(bucket, epoch, shoppers).await?;
                let message = CartMessage::Lines { sale: sale.sale, sent: self.clock.now(), lines };
                let bytes = message.encode().context("lines that cannot be encoded")?;
                publisher
                    .publish(&self.stream.exchange(), &key, &bytes)
                    .await
                    .map_err(anyhow::Error::from)?;
            }
            if next == 0 {
                return Ok(claims);
            }
            cursor = next;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Republish {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}
