//! Opens a sale: first time, after a restart, after any loss, always the same way, by rebuilding
//! the stock from paper.
//!
//! | step | what it is for |
//! |---|---|
//! | epoch | a new epoch is committed; what was recorded under the old one no longer counts |
//! | mark | Redis takes note of who is opening, so that an overtaken keeper cannot swap in |
//! | look | Postgres still has this epoch: with the mark, no two keepers pass |
//! | fence | bindings of all older epochs go, so that their late messages come back unrouted |
//! | barrier | a message through the stream: when it is taken over, all that was promised is too |
//! | rebuild | claims from cart lines, paid orders and open checkouts, beside the old keys |
//! | swap | one script puts them in place, if the mark still stands on the same server |
//!
//! Dying anywhere leaves the sale closed, and the next keeper begins again with a later epoch.

mod generation;
mod rebuild;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{PgPool, Postgres, Transaction};

use crate::{
    kernel::{
        clock::Clock,
        ids::Bucket,
        version::{Epoch, Revision},
    },
    platform::{
        postgres,
        rabbit::{Rabbit, StreamLimits},
    },
    shop::{
        cart::{self, message::CartMessage, stream::CartStream},
        inventory::{self, Inventory},
        sales::{
            self,
            store::{Kept, Opening as OnRecord},
        },
    },
};

/// The steps of an opening, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Commit the next epoch.
    Epoch,
    /// Mark Redis.
    Mark,
    /// Look whether Postgres still has this epoch.
    Look,
    /// Remove older bindings, make the new one.
    Fence,
    /// Send the barrier and wait until it was taken over.
    Barrier,
    /// Build the stock beside the old one.
    Rebuild,
    /// Put it in place.
    Swap,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] = [
        Self::Epoch,
        Self::Mark,
        Self::Look,
        Self::Fence,
        Self::Barrier,
        Self::Rebuild,
        Self::Swap,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epoch => "epoch",
            Self::Mark => "mark",
            Self::Look => "look",
            Self::Fence => "fence",
            Self::Barrier => "barrier",
            Self::Rebuild => "rebuild",
            Self::Swap => "swap",
        })
    }
}

/// Is told of each step before it is taken. An error stops the opening there, as a crash would.
pub type Progress =
    Arc<dyn Fn(Bucket, Step) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// Writes every step to the log.
#[must_use]
pub fn log_progress() -> Progress {
    Arc::new(|bucket, step| {
        tracing::info!(%bucket, %step, "opening");
        Box::pin(std::future::ready(Ok(())))
    })
}

/// What a look at a sale found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tended {
    /// The sale is open in Redis, with these totals and terms.
    Open(Revision),
    /// It was closed and is open now.
    Opened {
        /// The new epoch.
        epoch: Epoch,
        /// How many shoppers have a claim.
        claims: u64,
    },
    /// Another keeper is at it.
    Elsewhere,
    /// Another keeper began a later opening.
    Overtaken(Step),
}

/// How long an opening waits, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between fence and barrier.
    pub barrier_delay: Duration,
    /// Until the barrier must have been taken over; then the opening begins anew.
    pub barrier_timeout: Duration,
    /// How long a checkout may keep a hold alive after its end.
    pub grace: Duration,
    /// When a new stream forgets.
    pub stream_limits: StreamLimits,
    /// How long a new stream has to last before it is trusted.
    pub stream_settle: Duration,
}

/// The keeper's verbs. Cheap to clone.
#[derive(Clone)]
pub struct Opening {
    pool: PgPool,
    inventory: Inventory,
    rabbit: Rabbit,
    stream: CartStream,
    clock: Clock,
    patience: Patience,
    progress: Progress,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening")
    }
}

impl Opening {
    /// Verbs over these rooms; `progress` hears of every step.
    #[must_use]
    pub fn new(
        pool: PgPool,
        inventory: Inventory,
        rabbit: Rabbit,
        stream: CartStream,
        clock: Clock,
        patience: Patience,
        progress: Progress,
    ) -> Self {
        Self { pool, inventory, rabbit, stream, clock, patience, progress }
    }

    /// Looks at a sale and opens it if it is closed.
    pub async fn tend(&self, sale: &Kept) -> anyhow::Result<Tended> {
        let bucket = sale.bucket();
        if let Some(revision) = self.open_at(sale, &bucket).await? {
            return Ok(Tended::Open(revision));
        }
        let Some(lock) = self.try_lock(sale).await? else {
            return Ok(Tended::Elsewhere);
        };
        if let Some(revision) = self.open_at(sale, &bucket).await? {
            return Ok(Tended::Open(revision));
        }
        let opened = self.open(sale, &bucket).await;
        // without the lock, too, the steps have seen to it that this is true
        if let Err(error) = lock.rollback().await {
            tracing::warn!(%bucket, %error, "the lock of an opening was lost");
        }
        opened
    }

    /// The revision at which the sale is open in the epoch that Postgres has; `None` when it is
    /// closed. A keeper that fenced and died leaves an older epoch open, which serves nobody.
    async fn open_at(&self, sale: &Kept, bucket: &Bucket) -> anyhow::Result<Option<Revision>> {
        let epoch = sales::store::epoch(&self.pool, sale.sale, bucket.number).await?;
        let snapshot = self.inventory.snapshot(bucket).await?;
        Ok(snapshot.filter(|found| found.epoch == epoch).map(|found| found.revision))
    }

    /// One keeper per sale. The lock lives in a transaction of its own, so that whoever dies or is
    /// cancelled lets go of it.
    async fn try_lock(&self, sale: &Kept) -> sqlx::Result<Option<Transaction<'static, Postgres>>> {
        let mut tx = self.pool.begin().await?;
        let locked = postgres::try_lock(&mut tx, "opening", sale.sale.0).await?;
        Ok(locked.then_some(tx))
    }

    async fn open(&self, sale: &Kept, bucket: &Bucket) -> anyhow::Result<Tended> {
        let at = |step| (self.progress)(bucket.clone(), step);
        // the fence would fail, and every try would use up an epoch
        let has_stream = self.rabbit.exchange_exists(&self.stream.exchange()).await?;
        anyhow::ensure!(has_stream, "there is no cart stream yet");

        at(Step::Epoch).await?;
        let last = sales::store::epoch(&self.pool, sale.sale, bucket.number).await?;
        let now = self.clock.now();
        let epoch = sales::store::next_epoch(&self.pool, sale.sale, bucket.number, now).await?;

        at(Step::Mark).await?;
        if self.inventory.mark_opening(bucket, epoch).await? == inventory::Opening::Overtaken {
            return Ok(Tended::Overtaken(Step::Mark));
        }

        at(Step::Look).await?;
        if sales::store::epoch(&self.pool, sale.sale, bucket.number).await? != epoch {
            return Ok(Tended::Overtaken(Step::Look));
        }

        at(Step::Fence).await?;
        self.fence(sale, bucket, epoch).await?;

        at(Step::Barrier).await?;
        // before the first epoch nothing can have been promised
        if last != Epoch::default() {
            tokio::time::sleep(self.patience.barrier_delay).await;
            self.barrier(sale, bucket, epoch).await?;
        }

        at(Step::Rebuild).await?;
        let claims = self.rebuild(sale, bucket, epoch).await?;

        at(Step::Swap).await?;
        match self.inventory.swap_in(bucket, epoch).await? {
            inventory::Opening::Done => Ok(Tended::Opened { epoch, claims }),
            inventory::Opening::Overtaken => Ok(Tended::Overtaken(Step::Swap)),
        }
    }

    async fn on_record(&self, sale: &Kept, bucket: &Bucket) -> anyhow::Result<OnRecord> {
        sales::store::opening(&self.pool, sale.sale, bucket.number)
            .await?
            .ok_or_else(|| anyhow::anyhow!("the sale has no row for its openings"))
    }

    /// From here on only messages of `epoch` are routed. What was routed before is in the stream;
    /// what comes later under an older key is returned to its publisher.
    async fn fence(&self, sale: &Kept, bucket: &Bucket, epoch: Epoch) -> anyhow::Result<()> {
        let generation = self.stream.generation();
        let (exchange, queue) =
            (self.stream.exchange_of(generation), self.stream.queue_of(generation));
        let bound = self.on_record(sale, bucket).await?.bound_epochs;
        // newer ones belong to whoever has overtaken this keeper
        for older in bound.into_iter().filter(|bound| *bound < epoch) {
            let key = cart::stream::routing_key(bucket, older);
            self.rabbit.unbind(&queue, &exchange, &key).await?;
        }
        let key = cart::stream::routing_key(bucket, epoch);
        self.rabbit.bind(&queue, &exchange, &key).await?;
        let id = sale.sale;
        sales::store::set_bound_epochs(&self.pool, id, bucket.number, epoch, &[epoch]).await?;
        Ok(())
    }

    /// When the barrier was taken over, everything ever confirmed for this sale is in Postgres.
    async fn barrier(&self, sale: &Kept, bucket: &Bucket, epoch: Epoch) -> anyhow::Result<()> {
        let generation = self.stream.generation();
        let message = CartMessage::Barrier { sale: sale.sale, bucket: bucket.number, epoch };
        let bytes = message.encode().ok_or_else(|| anyhow::anyhow!("no barrier"))?;
        let key = cart::stream::routing_key(bucket, epoch);
        let publisher = self.rabbit.publisher();
        publisher.publish(&self.stream.exchange_of(generation), &key, &bytes).await?;
        let taken_over = async {
            while self.on_record(sale, bucket).await?.barrier_epoch < epoch {
                anyhow::ensure!(
                    self.stream.generation() == generation,
                    "the stream was made anew while the barrier was under way"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        tokio::time::timeout(self.patience.barrier_timeout, taken_over).await.map_err(|_| {
            anyhow::anyhow!("the writer has not taken the barrier over; is it running?")
        })?
    }
}
