//! Webhooks: an event becomes a delivery to each endpoint that asks for it, and a delivery becomes a
//! request.
//!
//! What always holds: every delivery is tried until it is taken or has failed for a day, and is a
//! dead letter then; one that is tried is in one owner's hands; a slow or dead endpoint delays no
//! other, for each has room of its own; and an endpoint that says it is gone, or has failed for too
//! long, is disabled, and the merchant is told in the same transaction. A receiver may get a delivery
//! twice (who died before he wrote it down has sent it), under the same id.
//!
//! In reading order: `consumer` takes events over, here what is due is taken in hand, `attempt` makes
//! the request, `outcome` writes down how it went.

mod attempt;
mod consumer;
mod lanes;
mod metrics;
mod outcome;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

pub use attempt::{Attempt, TEST_EVENT};
pub use consumer::WebhookConsumer;

use self::{lanes::Lanes, metrics::WebhookMetrics};
use crate::{
    kernel::{
        clock::Clock,
        ids::{DeliveryId, Ids},
    },
    platform::{
        config::Config,
        metrics::Metrics,
        outgoing::{Outgoing, Reach},
    },
    shop::{
        dead_letters::{DeadLetter, Replay},
        webhooks::{self, Delivery, queue::Room},
    },
};

/// The source that dead letters of this road carry.
pub const SOURCE: &str = "webhooks";

/// What a lease leaves for Postgres, beside head and body of an answer.
const MARGIN: Duration = Duration::from_secs(15);
/// Deliveries forgotten in one statement.
const FORGOTTEN: i64 = 1_000;

/// The flow. Cheap to clone.
#[derive(Clone)]
pub struct WebhookDelivery {
    pool: PgPool,
    clock: Clock,
    ids: Ids,
    config: Arc<Config>,
    outgoing: Outgoing,
    metrics: WebhookMetrics,
    lanes: Lanes,
    /// Where requests are made: whoever looks for more does not wait for them.
    runtime: Handle,
    under_way: TaskTracker,
}

/// A delivery among the dead letters.
#[derive(Debug, Serialize, Deserialize)]
struct Dead {
    delivery: DeliveryId,
    kind: String,
}

/// Whom endpoints may be, as `config` says.
#[must_use]
pub fn reach(config: &Config) -> Reach {
    if config.webhooks.allow_private { Reach::Anywhere } else { Reach::Public }
}

impl WebhookDelivery {
    /// Sends what `pool` keeps as `config` says. Must be called within the runtime that requests are
    /// to run on.
    pub fn new(
        pool: PgPool,
        (clock, ids): (Clock, Ids),
        config: Arc<Config>,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            outgoing: Outgoing::new(reach(&config), config.webhooks.timeout)?,
            metrics: WebhookMetrics::new(metrics)?,
            lanes: Lanes::default(),
            runtime: Handle::current(),
            under_way: TaskTracker::new(),
            pool,
            clock,
            ids,
            config,
        })
    }

    /// Takes in hand what is due, of each endpoint as much as it has room for, and says how many
    /// those are. They go on beside the caller; [`Self::one_ended`] says when there may be room again.
    pub async fn send_due(&self) -> anyhow::Result<usize> {
        let each = usize::from(self.config.webhooks.in_flight);
        let rooms: Vec<Room> = webhooks::queue::endpoints(&self.pool)
            .await?
            .into_iter()
            .filter_map(|endpoint| {
                let free = each.saturating_sub(self.lanes.under_way(endpoint));
                (free > 0).then_some(Room { endpoint, free: i64::try_from(free).ok()? })
            })
            .collect();
        if rooms.is_empty() {
            return Ok(0);
        }
        let lease = self.config.webhooks.timeout * 2 + MARGIN;
        let due = webhooks::queue::take_over(&self.pool, &rooms, lease).await?;
        let taken = due.len();
        for delivery in due {
            let (flow, place) = (self.clone(), self.lanes.enter(delivery.endpoint));
            self.under_way.spawn_on(
                async move {
                    flow.deliver(&delivery).await;
                    drop(place);
                },
                &self.runtime,
            );
        }
        Ok(taken)
    }

    /// Waits until a request has ended.
    pub async fn one_ended(&self) {
        self.lanes.one_left().await;
    }

    /// Waits for the requests that are under way; none may be begun any more.
    pub async fn close(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }

    async fn deliver(&self, delivery: &Delivery) {
        let attempt = self.attempt(delivery).await;
        self.metrics.tried(&attempt);
        if let Err(error) = self.write_down(delivery, &attempt).await {
            // its lease runs out, and it is sent once more under the same id
            tracing::warn!(delivery = %delivery.id, %error, "a delivery's outcome is not on record");
        }
    }

    /// Shows what waits, as metrics.
    pub async fn measure(&self) -> sqlx::Result<()> {
        let backlog = webhooks::queue::backlog(&self.pool).await?;
        self.metrics.waiting(backlog, self.clock.now());
        Ok(())
    }

    /// Forgets deliveries that succeeded long ago; says how many.
    pub async fn forget(&self) -> sqlx::Result<u64> {
        webhooks::log::forget(&self.pool, self.config.webhooks.keep, FORGOTTEN).await
    }
}

/// Replays deliveries that were given up: they are sent once more.
pub struct WebhookReplay;

#[async_trait]
impl Replay for WebhookReplay {
    fn queue(&self) -> &str {
        SOURCE
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        let dead: Dead = serde_json::from_slice(&letter.payload)?;
        anyhow::ensure!(
            webhooks::queue::revive(tx, dead.delivery).await?,
            "the delivery {} is not among those that were given up",
            dead.delivery
        );
        Ok(())
    }
}
