//! One batch of cart lines, from the requests to the replies.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus::{Histogram, IntCounterVec};
use tokio::sync::Mutex;

use super::{CartLineError, Inner, LineSet};
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{Bucket, SaleId, ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Version},
    },
    platform::{
        batcher::Batch,
        metrics::{Metrics, MetricsError, SECONDS, SIZES, seconds},
        rabbit::PublishError,
    },
    shop::{
        cart::{message::CartMessage, stream},
        inventory::{ClaimOutcome, Claimed, InventoryError, Refusal, WantedLine},
    },
};

/// What one request asks of a batch.
pub(super) struct Request {
    pub(super) shopper: ShopperId,
    pub(super) sku: Sku,
    pub(super) quantity: Quantity,
    /// For the answer to one that came too early.
    pub(super) starts_at: Timestamp,
}

pub(super) type Reply = Result<LineSet, CartLineError>;

pub(super) struct TakerMetrics {
    batch_size: Histogram,
    batch_seconds: Histogram,
    confirm_seconds: Histogram,
    outcomes: IntCounterVec,
}

impl TakerMetrics {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            batch_size: metrics.histogram(
                "stampede_cart_batch_lines",
                "Cart lines that were decided in one batch.",
                SIZES,
            )?,
            batch_seconds: metrics.histogram(
                "stampede_cart_batch_seconds",
                "Time of a batch, from its first step to its replies.",
                SECONDS,
            )?,
            confirm_seconds: metrics.histogram(
                "stampede_cart_confirm_seconds",
                "Time until the broker confirmed a batch's message.",
                SECONDS,
            )?,
            outcomes: metrics.counter_vec(
                "stampede_cart_lines_total",
                "Cart lines asked for, by outcome.",
                &["outcome"],
            )?,
        })
    }

    fn count(&self, reply: &Reply) {
        let outcome = match reply {
            Ok(set) if set.created => "created",
            Ok(_) => "set",
            Err(CartLineError::UnknownSku) => "unknown_sku",
            Err(CartLineError::NotStarted { .. }) => "sale_not_started",
            Err(CartLineError::Ended) => "sale_ended",
            Err(CartLineError::Paused) => "sale_paused",
            Err(CartLineError::SoldOut { .. }) => "sold_out",
            Err(CartLineError::LimitReached) => "limit_reached",
            Err(CartLineError::CheckoutInProgress) => "checkout_in_progress",
            Err(CartLineError::Unavailable { .. }) => "unavailable",
        };
        self.outcomes.with_label_values(&[outcome]).inc();
    }
}

/// Runs the batches of one bucket.
pub(super) struct Taker {
    shared: Arc<Inner>,
    sale: SaleId,
    bucket: Bucket,
    /// What was confirmed as given back and waits to be shelved.
    confirmed: Mutex<Vec<Version>>,
    /// Whether the last batch failed. Said once and not with every batch: shoppers ask again.
    failing: AtomicBool,
}

impl Batch<Request, Reply> for Taker {
    async fn run(&self, requests: Vec<Request>) -> Vec<Reply> {
        let began = Instant::now();
        let metrics = &self.shared.metrics;
        let outcomes = match self.take(&requests).await {
            Ok(outcomes) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(bucket = %self.bucket, "carts go on");
                }
                outcomes
            }
            Err(reason) => vec![Err(CartLineError::unavailable(reason)); requests.len()],
        };
        let lines = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        metrics.batch_size.observe(f64::from(lines));
        metrics.batch_seconds.observe(seconds(began.elapsed()));
        for reply in &outcomes {
            metrics.count(reply);
        }
        outcomes
    }

    /// Nothing follows at once: what was given back is shelved by itself.
    async fn idle(&self) {
        let items = mem::take(&mut *self.confirmed.lock().await);
        if let Some(newest) = items.iter().max() {
            let epoch = newest.epoch;
            // whatever goes wrong here, the sweeper takes up
            if let Err(error) = self.shared.inventory.give_back(&self.bucket, epoch, &items).await {
                tracing::debug!(%error, "left on its way back");
            }
        }
    }
}

impl Taker {
    pub(super) fn new(shared: Arc<Inner>, sale: SaleId, bucket: Bucket) -> Self {
        Self { shared, sale, bucket, confirmed: Mutex::default(), failing: AtomicBool::new(false) }
    }

    /// Takes, publishes, and only then answers. An error leaves every outcome unknown.
    async fn take(&self, requests: &[Request]) -> Result<Vec<Reply>, &'static str> {
        let limits = &self.shared.limits;
        let (now, stream) = (self.shared.clock.now(), &self.shared.stream);
        if stream.is_backed_up(now, limits.stream_max_age, limits.stream_max_bytes) {
            return Err("the cart stream waits for Postgres");
        }
        let wanted: Vec<WantedLine> = requests
            .iter()
            .map(|request| WantedLine {
                shopper: request.shopper,
                sku: request.sku.clone(),
                quantity: request.quantity,
            })
            .collect();
        let (epoch, claimed) = self.claim(&wanted).await?;
        if !claimed.lines.is_empty() {
            self.publish(epoch, claimed.lines).await?;
        }
        self.confirmed.lock().await.extend(claimed.returned);
        Ok(claimed.outcomes.into_iter().zip(requests).map(reply).collect())
    }

    fn failed(&self, what: &str, error: &dyn std::fmt::Display) {
        if self.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!(bucket = %self.bucket, %error, what, "carts are still paused");
        } else {
            tracing::warn!(bucket = %self.bucket, %error, what, "carts pause");
        }
    }

    /// Claims under the epoch that was last seen; if that is over, under the one that is open now.
    async fn claim(&self, wanted: &[WantedLine]) -> Result<(Epoch, Claimed), &'static str> {
        let inventory = &self.shared.inventory;
        for _ in 0..2 {
            let epoch = self.shared.epoch(&self.bucket).await?;
            let deadline = inventory.redis_now() + self.shared.limits.deadline;
            let shelve = mem::take(&mut *self.confirmed.lock().await);
            match inventory.claim(&self.bucket, epoch, deadline, &shelve, wanted).await {
                Ok(claimed) => return Ok((epoch, claimed)),
                Err(InventoryError::Closed) => self.shared.forget_epoch(&self.bucket),
                Err(error) => {
                    self.failed("a batch of claims failed", &error);
                    return Err("the stock did not answer");
                }
            }
        }
        Err("the sale is being opened")
    }

    /// Returns when the broker has the lines. Where that is unknown the same message is sent once
    /// more: it states what should be, so twice is as good as once.
    async fn publish(&self, epoch: Epoch, lines: Vec<CartLine>) -> Result<(), &'static str> {
        let sent = self.shared.clock.now();
        let message = CartMessage::Lines { sale: self.sale, sent, lines };
        let bytes = message.encode().ok_or("the lines cannot be encoded")?;
        let key = stream::routing_key(&self.bucket, epoch);
        let began = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let exchange = self.shared.stream.exchange();
            match self.shared.publisher.publish(&exchange, &key, &bytes).await {
                Ok(()) => {
                    self.shared.stream.published(bytes.len());
                    self.shared.metrics.confirm_seconds.observe(seconds(began.elapsed()));
                    return Ok(());
                }
                Err(PublishError::Unroutable) => {
                    // fenced: another epoch is being opened, or a new stream is being made
                    self.shared.forget_epoch(&self.bucket);
                    return Err("the sale is being opened");
                }
                Err(error) if tries == 1 => {
                    tracing::debug!(%error, "publishing the same message again");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => {
                    self.failed("cart lines not confirmed", &error);
                    return Err("the cart stream did not confirm");
                }
            }
        }
    }
}

fn reply((outcome, request): (ClaimOutcome, &Request)) -> Reply {
    match outcome {
        ClaimOutcome::Created { quantity, expires_at } => {
            Ok(LineSet { created: true, quantity, expires_at })
        }
        ClaimOutcome::Changed { quantity, expires_at }
        | ClaimOutcome::Stood { quantity, expires_at } => {
            Ok(LineSet { created: false, quantity, expires_at })
        }
        ClaimOutcome::Refused(refusal) => Err(match refusal {
            Refusal::SoldOut { available } => CartLineError::SoldOut { available },
            Refusal::LimitReached => CartLineError::LimitReached,
            Refusal::CheckoutInProgress => CartLineError::CheckoutInProgress,
            Refusal::NotStarted => CartLineError::NotStarted { starts_at: request.starts_at },
            Refusal::Ended => CartLineError::Ended,
            Refusal::Paused => CartLineError::Paused,
            Refusal::UnknownSku => CartLineError::UnknownSku,
        }),
    }
}
