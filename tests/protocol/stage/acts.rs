//! What keepers, web processes, writer and expirer do, in single steps.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use stampede::{
    flows::{
        cart_lines::{CartLineError, Expiry, LineSet},
        opening::{Opening, Patience, Step, Tended, log_progress},
    },
    kernel::{clock::from_millis, ids::ShopperId, line::CartLine, version::Epoch},
    platform::rabbit::PublishError,
    shop::{
        cart::{message::CartMessage, stream::routing_key},
        inventory::{ClaimOutcome, Claimed, Inventory, InventoryError},
    },
};

use crate::harness::until;

use super::{GRACE, STREAM_LIMITS, Stage, nothing, want};

impl Stage {
    /// A keeper to whom something happens before each step; an error there is his death.
    pub(crate) fn keeper<F>(
        &self,
        before: impl Fn(Self, Step) -> F + Send + Sync + 'static,
    ) -> Opening
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.keeper_over(self.inventory.clone(), before)
    }

    /// The same with another view of the stock.
    pub(crate) fn keeper_over<F>(
        &self,
        inventory: Inventory,
        before: impl Fn(Self, Step) -> F + Send + Sync + 'static,
    ) -> Opening
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (stage, log) = (self.clone(), log_progress());
        Opening::new(
            self.app.pool.clone(),
            inventory,
            self.app.rabbit.clone(),
            self.app.stream.clone(),
            self.app.clock.clone(),
            Patience {
                barrier_delay: Duration::ZERO,
                barrier_timeout: Duration::from_secs(20),
                grace: GRACE,
                stream_limits: STREAM_LIMITS,
                stream_settle: Duration::ZERO,
            },
            Arc::new(move |bucket, step| {
                let (logged, happens) = (log(bucket, step), before(stage.clone(), step));
                async move {
                    logged.await?;
                    happens.await
                }
                .boxed()
            }),
        )
    }

    /// A keeper's look, while a writer is at work.
    pub(crate) async fn tend(&self, keeper: &Opening) -> anyhow::Result<Tended> {
        let writer = Box::pin(async {
            loop {
                // the broker may be away just now
                let _ = self.try_take_over().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        tokio::select! {
            tended = Box::pin(keeper.tend(&self.kept)) => tended,
            () = writer => unreachable!("a writer never ends"),
        }
    }

    /// An undisturbed keeper opens the sale, which must be closed.
    pub(crate) async fn open_again(&self) -> Epoch {
        loop {
            match self.tend(&self.keeper(nothing)).await.unwrap() {
                Tended::Opened { epoch, .. } => return epoch,
                // the server is still to notice that the last one is gone
                Tended::Elsewhere => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whoever opens the sale has lost his lock, and does not know.
    pub(crate) async fn locks_are_lost(&self) {
        self.write(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l
             JOIN pg_database d ON d.oid = l.database
             WHERE l.locktype = 'advisory' AND d.datname = current_database()",
        )
        .await;
        // the server goes on holding it until that connection has ended
        let held = "SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             WHERE l.locktype = 'advisory' AND d.datname = current_database()";
        until("locks are free", async || self.number(held).await == 0).await;
    }

    // A process that serves carts.

    /// Sets a line, the whole way.
    pub(crate) async fn put(
        &self,
        shopper: ShopperId,
        sku: &str,
        quantity: i64,
    ) -> Result<LineSet, CartLineError> {
        let quantity = quantity.try_into().unwrap();
        self.carts.set(&self.sale, shopper, sku.parse().unwrap(), quantity).await
    }

    /// The first step of the way: Redis decides.
    pub(crate) async fn claim(
        &self,
        epoch: Epoch,
        shopper: ShopperId,
        sku: &str,
        quantity: i64,
    ) -> Result<Claimed, InventoryError> {
        let wanted = [want(shopper, sku, quantity)];
        self.inventory.claim(&self.bucket, epoch, self.soon(), &[], &wanted).await
    }

    /// The second: the broker confirms. `Ok` is what a shopper is told yes for.
    pub(crate) async fn publish(
        &self,
        epoch: Epoch,
        lines: Vec<CartLine>,
    ) -> Result<(), PublishError> {
        let message =
            CartMessage::Lines { sale: self.kept.sale, sent: self.app.clock.now(), lines };
        let key = routing_key(&self.bucket, epoch);
        let exchange = self.app.stream.exchange();
        self.app.rabbit.publisher().publish(&exchange, &key, &message.encode().unwrap()).await
    }

    /// All steps at once: the line is set, confirmed, and what it gave back is on the shelf.
    pub(crate) async fn set(&self, shopper: ShopperId, sku: &str, quantity: i64) {
        let epoch = self.open_epoch().await;
        let claimed = self.claim(epoch, shopper, sku, quantity).await.unwrap();
        assert!(!matches!(claimed.outcomes[..], [ClaimOutcome::Refused(_)]), "{claimed:?}");
        self.publish(epoch, claimed.lines).await.unwrap();
        self.inventory.give_back(&self.bucket, epoch, &claimed.returned).await.unwrap();
    }

    // The writer and the expirer.

    /// Takes over everything that was published before.
    pub(crate) async fn take_over(&self) {
        self.try_take_over().await.unwrap();
    }

    async fn try_take_over(&self) -> anyhow::Result<()> {
        let mut markers = self.writer.lock().await;
        *markers += 1;
        let app = &self.app;
        let generation = app.stream.generation();
        let (exchange, queue) =
            (app.stream.exchange_of(generation), app.stream.queue_of(generation));
        let sent = from_millis(*markers);
        let marker = CartMessage::Lines { sale: self.kept.sale, sent, lines: Vec::new() };
        let marker = Bytes::from(marker.encode().unwrap());
        app.rabbit.bind(&queue, &exchange, "marker").await?;
        app.rabbit.publisher().publish(&exchange, "marker", &marker).await?;
        let mut next = app.intake.state().await?.next_offset;
        let mut reader = app.rabbit.read_stream(&queue, next, 100).await?;
        loop {
            let batch = reader.next_batch(100, Duration::from_secs(5), Duration::ZERO).await?;
            let Some((last, _)) = batch.last() else { anyhow::bail!("the marker does not come") };
            app.intake.take_over(generation, next, &batch).await?;
            next = last + 1;
            if batch.iter().any(|(_, bytes)| *bytes == marker) {
                return Ok(());
            }
        }
    }

    /// Expires what is due and sweeps up what was left lying.
    pub(crate) async fn expire(&self) {
        let app = &self.app;
        let publisher = app.rabbit.publisher();
        let (inventory, clock) = (self.inventory.clone(), app.clock.clone());
        let mut expiry = Expiry::new(inventory, publisher, app.stream.clone(), clock);
        for _ in 0..2 {
            expiry.look(&self.kept).await.unwrap();
        }
    }
}
