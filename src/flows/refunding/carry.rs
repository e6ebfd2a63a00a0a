//! Carrying a refund from step to step, each on record before its effect.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::json;
use sqlx::PgConnection;

use super::Refunding;
use crate::{
    flows::fact_line,
    kernel::{ids::Bucket, money::Money},
    platform::{backoff::pause, lease::Lease},
    shop::{
        dead_letters::{self, DeadLetter, Failure, Replay},
        events::{self, Event, Fact, OrderFact, RefundFact},
        inventory::{InventoryError, RestockOutcome},
        orders::{self, Order},
        payments::{self, Payment, ProviderError, Refunded},
        refunds::{self, Refund, Step},
        sales,
    },
};

/// Where parked refunds stand among the dead letters.
pub const PARKED: &str = "refunds";
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Tries until an operator is called: with these pauses, some seven hours.
const MOST_TRIES: i32 = 100;

/// Why a refund does not go on now.
enum Stop {
    /// Somebody else owns it, or it is done.
    Overtaken,
    /// Once more, later.
    Later(anyhow::Error),
}

impl Refunding {
    /// Carries a refund as far as it goes, and leaves it so that somebody else can go on.
    pub(super) async fn carry(&self, mut refund: Refund) {
        while !refund.step.is_final() {
            let done = match refund.step {
                Step::Refund => self.give_back(&mut refund).await,
                Step::Restock => self.restock(&mut refund).await,
                Step::Done | Step::Failed => return,
            };
            match done {
                Ok(()) => refund.tries = 0,
                Err(Stop::Overtaken) => return,
                Err(Stop::Later(why)) => return self.leave(&refund, &why).await,
            }
        }
    }

    async fn give_back(&self, refund: &mut Refund) -> Result<(), Stop> {
        let mut conn = self.pool.acquire().await?;
        let order = orders::store::by_id(&mut conn, refund.order).await?;
        drop(conn);
        let order = order.ok_or_else(|| Stop::Later(anyhow::anyhow!("its order is gone")))?;
        let amount = Money { amount: refund.amount, currency: order.total.currency };
        let outcome = if amount.amount == 0 {
            Refunded::Done
        } else {
            let asked = payments::Refund { id: refund.id, amount };
            self.payments.of(&order.provider)?.refund(&payment(&order)?, asked).await?
        };
        match outcome {
            Refunded::Pending => Err(Stop::Later(anyhow::anyhow!("the refund is not known yet"))),
            Refunded::Refused(why) => {
                tracing::error!(order = %order.id, refund = %refund.id, why, "a refund was refused");
                let mut tx = self.pool.begin().await?;
                self.advance(&mut tx, refund, Step::Failed).await?;
                refunds::store::refused(&mut *tx, refund.id, &why).await?;
                tx.commit().await?;
                refund.step = Step::Failed;
                Ok(())
            }
            Refunded::Done => self.record(refund, amount).await,
        }
    }

    /// The order, its lines, the refund and the event, in one transaction.
    async fn record(&self, refund: &mut Refund, amount: Money) -> Result<(), Stop> {
        let restocks = refund.lines.values().any(|line| line.restock);
        let next = if restocks { Step::Restock } else { Step::Done };
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        orders::store::lock(&mut *tx, refund.order).await?;
        self.advance(&mut tx, refund, next).await?;
        refunds::store::refunded(&mut *tx, refund.id, now).await?;
        let units: Vec<_> = refund
            .lines
            .iter()
            .map(|(sku, line)| (sku.clone(), line.quantity, line.restock))
            .collect();
        orders::store::give_back(&mut tx, refund.order, amount, &units).await?;
        let order = orders::store::by_id(&mut tx, refund.order).await?;
        let order = order.ok_or_else(|| Stop::Later(anyhow::anyhow!("its order is gone")))?;
        let fact = Fact::OrderRefunded(RefundFact {
            refund: refund.id,
            amount,
            reason: refund.reason.clone(),
            order: order_fact(&order),
        });
        let event = Event::new(self.ids.unique(), now, fact);
        events::store::append(&mut *tx, &[event]).await?;
        tx.commit().await?;
        if let Some(outbox) = &self.outbox {
            outbox.wake();
        }
        refund.step = next;
        Ok(())
    }

    /// Says to the stock how many units came back from this shopper in all. If the sale was opened
    /// again meanwhile, it is said again: what was built may be from before.
    async fn restock(&self, refund: &mut Refund) -> Result<(), Stop> {
        let mut conn = self.pool.acquire().await?;
        let order = orders::store::by_id(&mut conn, refund.order).await?;
        let order = order.ok_or_else(|| Stop::Later(anyhow::anyhow!("its order is gone")))?;
        let sale = sales::store::by_slug(&mut *conn, &order.sale_slug).await?;
        let sale = sale.ok_or_else(|| Stop::Later(anyhow::anyhow!("its sale is gone")))?;
        let bucket = Bucket::first(sale.slug.clone());
        // The stock of a sale that was over long ago is not kept, and nothing of it is sold.
        if self.clock.now() > sale.ends_at + sales::KEEP_AFTER_END {
            let mut tx = self.pool.begin().await?;
            self.advance(&mut tx, refund, Step::Done).await?;
            tx.commit().await?;
            refund.step = Step::Done;
            return Ok(());
        }
        let epoch = sales::store::epoch(&mut *conn, sale.id, bucket.number).await?;
        let back = orders::rebuild::restocked(&mut *conn, sale.id, order.shopper).await?;
        drop(conn);
        let lease = TimeDelta::from_std(Lease::of(self.lease).rest()).unwrap_or_default();
        let deadline = self.inventory.redis_now() + lease;
        let told = self.inventory.restock(&bucket, epoch, deadline, order.shopper, &back).await?;
        if told == RestockOutcome::NotYet {
            return Err(Stop::Later(anyhow::anyhow!("the order's checkout has to finish first")));
        }
        let mut tx = self.pool.begin().await?;
        if sales::store::epoch_for_share(&mut tx, sale.id, bucket.number).await? == epoch {
            self.advance(&mut tx, refund, Step::Done).await?;
            tx.commit().await?;
            refund.step = Step::Done;
        }
        Ok(())
    }

    async fn advance(
        &self,
        tx: &mut PgConnection,
        refund: &Refund,
        next: Step,
    ) -> Result<(), Stop> {
        if refunds::store::advance(tx, refund, next, self.lease).await? {
            Ok(())
        } else {
            Err(Stop::Overtaken)
        }
    }

    async fn leave(&self, refund: &Refund, why: &anyhow::Error) {
        let why = format!("{why:#}");
        tracing::info!(refund = %refund.id, why, "a refund is left for later");
        let left = if refund.tries < MOST_TRIES {
            let pause = pause(refund.tries, LONGEST_PAUSE);
            refunds::store::leave(&self.pool, refund, Some(pause)).await.map(drop)
        } else {
            self.park(refund, &why).await
        };
        if let Err(error) = left {
            tracing::warn!(refund = %refund.id, %error, "a refund is left to the end of its lease");
        }
    }

    /// Leaves a refund to an operator, with all that is known.
    async fn park(&self, refund: &Refund, reason: &str) -> Result<(), sqlx::Error> {
        tracing::error!(refund = %refund.id, reason, "a refund is parked");
        let known = json!({
            "refund": refund.id,
            "order": refund.order,
            "step": refund.step.as_str(),
            "amount": refund.amount,
            "lines": refund.lines,
            "attempt": refund.attempt,
            "tries": refund.tries,
        });
        let known = known.to_string();
        let mut tx = self.pool.begin().await?;
        if refunds::store::leave(&mut *tx, refund, None).await? {
            let order = refund.order.to_string();
            let failure = Failure::new(PARKED, &order, reason, known.as_bytes())
                .about(Some(&order))
                .tried(refund.attempt.into());
            dead_letters::store::insert(&mut *tx, failure, self.clock.now()).await?;
        }
        tx.commit().await
    }
}

/// Replays parked refunds: whoever resumes takes them up at once.
pub struct RefundReplay;

#[async_trait]
impl Replay for RefundReplay {
    fn queue(&self) -> &str {
        PARKED
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        Ok(refunds::store::wake(tx, letter.position.parse()?).await?)
    }
}

/// The payment of an order, as its provider knows it.
fn payment(order: &Order) -> Result<Payment, Stop> {
    Ok(Payment {
        order: order.id,
        sale: order.sale_slug.clone(),
        amount: order.total,
        // a captured payment is known by its key or its reference alone
        method: "captured".parse().map_err(anyhow::Error::from).map_err(Stop::Later)?,
        reference: order.payment_reference.clone(),
    })
}

/// An order as it stands, for an event.
fn order_fact(order: &Order) -> OrderFact {
    OrderFact {
        order: order.id,
        sale: order.sale_slug.clone(),
        shopper: order.shopper,
        status: order.status.as_str().to_owned(),
        reason: order.reason.clone(),
        lines: order.lines.iter().map(fact_line).collect(),
        total: order.total,
        refunded_total: order.refunded,
        created_at: order.created_at,
        paid_at: order.paid_at,
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Later(error.into())
    }
}

impl From<ProviderError> for Stop {
    fn from(error: ProviderError) -> Self {
        Self::Later(error.into())
    }
}

impl From<InventoryError> for Stop {
    fn from(error: InventoryError) -> Self {
        Self::Later(error.into())
    }
}
