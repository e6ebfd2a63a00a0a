//! The road of a cart line: Redis decides, the stream confirms, and only then somebody is told.
//!
//! Requests for one bucket come together in batches, one in flight at a time: one script call,
//! one message, one confirm, many replies. What a batch gave back is shelved after its confirm,
//! with the next batch, or by itself when none follows at once.
//!
//! Where the outcome is unknown (no answer from Redis, no confirm from the broker) nobody is told
//! yes. What was taken stays set aside until its hold ends, and the same request mends it.

mod expiry;
mod taker;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::runtime::Handle;

pub use expiry::Expiry;
use taker::{Reply, Request, Taker};

use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::{Bucket, ShopperId, Sku},
        quantity::Quantity,
        version::Epoch,
    },
    platform::{
        batcher::{Batcher, Limits, Rejected},
        metrics::{Metrics, MetricsError},
        rabbit::Publisher,
    },
    shop::{
        cart::stream::CartStream,
        inventory::{CartView, Inventory, InventoryError},
        sales::{Phase, Sale},
    },
};

/// What a shopper is told to wait before he asks again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A line as it stands now, confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSet {
    /// Whether the line held nothing before.
    pub created: bool,
    /// Units held.
    pub quantity: Quantity,
    /// When the cart's hold ends; `None` when nothing is held any more.
    pub expires_at: Option<Timestamp>,
}

/// Why a line was not set.
#[derive(Debug, Clone, Error)]
pub enum CartLineError {
    /// The sale has no such SKU.
    #[error("no such SKU")]
    UnknownSku,
    /// Too early.
    #[error("the sale has not started")]
    NotStarted {
        /// When it does.
        starts_at: Timestamp,
    },
    /// Too late to take more; releasing works.
    #[error("the sale has ended")]
    Ended,
    /// Switched off for now; releasing works.
    #[error("the sale is paused")]
    Paused,
    /// Fewer units than asked for.
    #[error("only {available} left")]
    SoldOut {
        /// Units on the shelf.
        available: i64,
    },
    /// More than one shopper may have, of the product or in the sale.
    #[error("over the limit per shopper")]
    LimitReached,
    /// The cart is being bought; it changes again when that has ended.
    #[error("a checkout is in progress")]
    CheckoutInProgress,
    /// Nothing is promised, and repeating is safe.
    #[error("not available at the moment: {reason}")]
    Unavailable {
        /// For the log and the metrics.
        reason: &'static str,
        /// When to ask again.
        retry_after: Duration,
    },
}

impl CartLineError {
    fn unavailable(reason: &'static str) -> Self {
        Self::Unavailable { reason, retry_after: RETRY_AFTER }
    }
}

/// Limits of the road, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct CartLimits {
    /// Lines in one batch and lines waiting.
    pub batch: Limits,
    /// How late a batch may reach Redis.
    pub deadline: Duration,
    /// When the stream forgets: age and bytes.
    pub stream_max_age: Duration,
    /// See `stream_max_age`.
    pub stream_max_bytes: u64,
}

type Batchers = HashMap<Bucket, Batcher<Request, Reply>>;

/// Takes, changes and releases cart lines. Cheap to clone.
#[derive(Clone)]
pub struct CartLines(Arc<Inner>);

struct Inner {
    inventory: Inventory,
    publisher: Publisher,
    stream: CartStream,
    clock: Clock,
    limits: CartLimits,
    metrics: taker::TakerMetrics,
    batchers: Mutex<Batchers>,
    /// The epochs that buckets were last seen open under.
    epochs: Mutex<HashMap<Bucket, Epoch>>,
    /// Where batches run: not on the thread of the request that happens to be the first, for that
    /// ends before what is left over is shelved.
    runtime: Handle,
}

impl Inner {
    /// The epoch that a bucket is open under, or the reason why there is none.
    async fn epoch(&self, bucket: &Bucket) -> Result<Epoch, &'static str> {
        if let Some(epoch) = self.epochs().get(bucket) {
            return Ok(*epoch);
        }
        match self.inventory.snapshot(bucket).await {
            Ok(Some(found)) => {
                self.epochs().insert(bucket.clone(), found.epoch);
                Ok(found.epoch)
            }
            Ok(None) => Err("the sale is being opened"),
            Err(_) => Err("the stock cannot be read"),
        }
    }

    fn forget_epoch(&self, bucket: &Bucket) {
        self.epochs().remove(bucket);
    }

    fn epochs(&self) -> MutexGuard<'_, HashMap<Bucket, Epoch>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CartLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CartLines")
    }
}

impl CartLines {
    /// Verbs over these rooms. Must be called within the runtime that batches are to run on.
    pub fn new(
        inventory: Inventory,
        publisher: Publisher,
        stream: CartStream,
        clock: Clock,
        limits: CartLimits,
        metrics: &Metrics,
    ) -> Result<Self, MetricsError> {
        Ok(Self(Arc::new(Inner {
            inventory,
            publisher,
            stream,
            clock,
            limits,
            metrics: taker::TakerMetrics::new(metrics)?,
            batchers: Mutex::default(),
            epochs: Mutex::default(),
            runtime: Handle::current(),
        })))
    }

    /// Sets a shopper's line to `quantity`; zero releases it. `Ok` is a promise that survives the
    /// loss of any process and of Redis.
    pub async fn set(
        &self,
        sale: &Sale,
        shopper: ShopperId,
        sku: Sku,
        quantity: Quantity,
    ) -> Result<LineSet, CartLineError> {
        // before the start nothing can be held, so Redis need not be asked
        if sale.phase(self.0.clock.now()) == Phase::Before {
            return Err(CartLineError::NotStarted { starts_at: sale.starts_at });
        }
        let request = Request { shopper, sku, quantity, starts_at: sale.starts_at };
        match self.batcher(sale).submit(request).await {
            Ok(outcome) => outcome,
            Err(Rejected::Full) => Err(CartLineError::unavailable("too many are waiting")),
            Err(Rejected::Stopped) => Err(CartLineError::unavailable("the process is leaving")),
            Err(Rejected::Failed) => Err(CartLineError::unavailable("the batch failed")),
        }
    }

    /// What a shopper holds.
    pub async fn cart(&self, sale: &Sale, shopper: ShopperId) -> Result<CartView, CartLineError> {
        let bucket = Bucket::first(sale.slug.clone());
        for _ in 0..2 {
            let epoch = self.0.epoch(&bucket).await.map_err(CartLineError::unavailable)?;
            match self.0.inventory.cart(&bucket, epoch, shopper).await {
                Ok(cart) => return Ok(cart),
                Err(InventoryError::Closed) => self.0.forget_epoch(&bucket),
                Err(error) => {
                    tracing::debug!(%error, "cannot read the cart");
                    return Err(CartLineError::unavailable("the stock cannot be read"));
                }
            }
        }
        Err(CartLineError::unavailable("the sale is being opened"))
    }

    /// Requests that wait for a batch.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.batchers().values().map(Batcher::waiting).sum()
    }

    /// Does what waits and takes no more.
    pub async fn close(&self) {
        let batchers: Vec<_> = self.batchers().values().cloned().collect();
        for batcher in batchers {
            batcher.close().await;
        }
    }

    fn batcher(&self, sale: &Sale) -> Batcher<Request, Reply> {
        let bucket = Bucket::first(sale.slug.clone());
        self.batchers()
            .entry(bucket)
            .or_insert_with_key(|bucket| {
                let taker = Taker::new(Arc::clone(&self.0), sale.id, bucket.clone());
                let _within = self.0.runtime.enter();
                Batcher::spawn(self.0.limits.batch, taker)
            })
            .clone()
    }

    fn batchers(&self) -> MutexGuard<'_, Batchers> {
        self.0.batchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
