//! Owning a checkout: carrying it from step to step, each on record before its effect.
//!
//! An owner has an attempt number and a lease. Every record is a compare-and-set of step and
//! attempt, so whoever was overtaken notices before he does harm; and every call of the stock ends
//! before the lease does, so nobody's `begin` arrives after his successor's `abort`.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use serde_json::json;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::{
    Checkout,
    model::{Ending, Record, Saga, Step, Turn},
    store,
};
use crate::{
    flows::fact_line,
    kernel::{clock::Timestamp, money::Money, version::Epoch},
    platform::{
        backoff::{MOMENT, pause},
        lease::Lease,
    },
    shop::{
        cart,
        dead_letters::{self, Failure},
        events::{self, Event, Fact, OrderFact},
        inventory::InventoryError,
        orders::{self, OrderStatus},
        sales,
    },
};

/// By how much every call of the stock ends before the lease does: more than clocks and roads
/// differ.
const MARGIN: Duration = Duration::from_secs(2);
/// How long an owner waits for a sale that is just being opened; an opening takes about one.
const CLOSED_WAIT: Duration = Duration::from_secs(2);
/// How often he looks meanwhile.
const CLOSED_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause while the shopper waits for the outcome.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// The longest pause while he does not.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Tries until an operator is called: with these pauses, some seven hours.
const MOST_TRIES: i32 = 100;
/// Tries of what should not be, which time does not heal.
const MOST_BROKEN: i32 = 5;

/// Where parked checkouts stand among the dead letters.
pub const PARKED: &str = "checkouts";

/// Why an owner lets go of a checkout that is not done.
#[derive(Debug)]
pub(super) enum Stop {
    /// Somebody else owns it, or it is done.
    Overtaken,
    /// Nothing can be done now, and nothing is under way that may still arrive.
    Later(&'static str),
    /// The provider, or the shopper at his bank, takes his time. What was asked may arrive late, and
    /// carries a key.
    Waits(&'static str),
    /// Something may still be under way: nobody may go on before the lease is over.
    Unsure(anyhow::Error),
    /// What should not be. It is tried again, for nothing may be left half done.
    Broken(anyhow::Error),
}

/// A moment between two single steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The step is on record, its effect did not take place.
    Recorded(Step),
    /// Its effect took place, which is not on record.
    Happened(Step),
}

/// What happens at a moment; false ends the owner there and then, as a kill would.
pub type Schedule = Arc<dyn Fn(Moment) -> BoxFuture<'static, bool> + Send + Sync>;

impl Checkout {
    /// Carries a checkout as far as it goes, and leaves it so that somebody else can go on.
    pub(super) async fn carry(&self, mut saga: Saga) {
        let Err(reason) = self.carry_on(&mut saga).await else { return };
        self.metrics.stopped(&reason);
        let (order, step, attempt) = (saga.order, saga.step, saga.attempt);
        let left = match reason {
            Stop::Overtaken => {
                tracing::info!(%order, attempt, "a checkout has another owner");
                return;
            }
            Stop::Unsure(error) => {
                tracing::warn!(%order, ?step, attempt, error = format!("{error:#}"),
                    "the outcome of a checkout's step is not known");
                return;
            }
            Stop::Later(reason) => {
                tracing::info!(%order, ?step, attempt, reason, "a checkout is left for later");
                self.leave(&saga, saga.tries, MOMENT).await
            }
            Stop::Waits(reason) if saga.tries < MOST_TRIES => {
                tracing::info!(%order, ?step, attempt, reason, "a checkout waits");
                self.leave(&saga, saga.tries + 1, pause(saga.tries, longest(step))).await
            }
            Stop::Broken(error) if saga.tries < MOST_BROKEN => {
                tracing::error!(%order, ?step, attempt, error = format!("{error:#}"),
                    "a checkout cannot go on");
                self.leave(&saga, saga.tries + 1, pause(saga.tries, longest(step))).await
            }
            Stop::Waits(reason) => self.park(&saga, reason).await,
            Stop::Broken(error) => self.park(&saga, &format!("{error:#}")).await,
        };
        if let Err(error) = left {
            tracing::warn!(%order, %error, "a checkout is left to the end of its lease");
        }
    }

    async fn leave(&self, saga: &Saga, tries: i32, pause: Duration) -> Result<(), sqlx::Error> {
        store::leave(&self.pool, saga, tries, pause).await
    }

    /// Leaves a checkout to an operator, with all that is known. Before `capture` its units go back
    /// when hold and grace are over; from there on they stay with the order.
    async fn park(&self, saga: &Saga, reason: &str) -> Result<(), sqlx::Error> {
        tracing::error!(order = %saga.order, step = ?saga.step, reason, "a checkout is parked");
        let known = json!({
            "order": saga.order,
            "step": saga.step.as_str(),
            "attempt": saga.attempt,
            "tries": saga.tries,
            "provider": saga.provider,
            "payment_reference": saga.reference,
            "total": saga.total,
        });
        let known = known.to_string();
        let mut tx = self.pool.begin().await?;
        if store::park(&mut *tx, saga).await? {
            let order = saga.order.to_string();
            let failure = Failure::new(PARKED, &order, reason, known.as_bytes())
                .about(Some(&order))
                .tried(saga.attempt.into());
            dead_letters::store::insert(&mut *tx, failure, self.clock.now()).await?;
        }
        tx.commit().await
    }

    async fn carry_on(&self, saga: &mut Saga) -> Result<(), Stop> {
        while saga.step != Step::Done {
            let (step, began) = (saga.step, Instant::now());
            self.moment(Moment::Recorded(saga.step)).await?;
            let turn = self.turn(saga).await?;
            self.moment(Moment::Happened(saga.step)).await?;
            self.record(saga, turn).await?;
            self.metrics.did(step, began.elapsed());
        }
        Ok(())
    }

    /// Writes down what a step did and what comes next, in one transaction.
    ///
    /// If the sale was opened again since the stock was asked, nothing is written, and the step is
    /// done again: the rebuilt stock does not know of it, and its unit may be somebody else's. The
    /// epoch's row is locked in share mode to the commit, so that an opening comes wholly before
    /// this record or wholly after it.
    async fn record(&self, saga: &mut Saga, turn: Turn) -> Result<(), Stop> {
        let lease = Lease::of(self.settings.lease);
        let mut tx = self.pool.begin().await?;
        if let Some(ran_in) = turn.ran_in {
            let epoch =
                sales::store::epoch_for_share(&mut tx, saga.sale, saga.bucket.number).await?;
            if epoch != ran_in {
                tracing::info!(order = %saga.order, step = ?saga.step, "the sale was opened again");
                return Ok(());
            }
        }
        let Some(cancelled) =
            store::advance(&mut *tx, saga, turn.next, self.settings.lease).await?
        else {
            return Err(Stop::Overtaken);
        };
        self.write(&mut tx, saga, &turn.record).await?;
        let back = (cancelled && turn.next.may_turn_back()).then(Ending::by_merchant);
        if let Some(ending) = &back {
            store::turn_back(&mut *tx, saga.order).await?;
            store::set_ending(&mut *tx, saga.order, ending).await?;
        }
        tx.commit().await?;
        if let Some(outbox) = &self.outbox
            && matches!(turn.record, Record::Paid(_) | Record::Undone)
        {
            outbox.wake();
        }
        self.metrics.ended(saga, &turn.record);
        saga.follow(turn, lease);
        if let Some(ending) = back {
            (saga.step, saga.ending) = (Step::Void, Some(ending));
        }
        Ok(())
    }

    /// What is written together with the next step.
    async fn write(&self, tx: &mut PgConnection, saga: &Saga, record: &Record) -> Result<(), Stop> {
        match record {
            Record::StepAlone | Record::Settled(_) => {}
            Record::Prepared(reference) => {
                orders::store::set_payment_reference(tx, saga.order, reference).await?;
            }
            Record::Paid(zero) => {
                let (paid, now) = (OrderStatus::Paid, self.clock.now());
                orders::store::conclude(&mut *tx, saga.order, paid, None, now).await?;
                cart::store::upsert(tx, saga.sale, zero).await?;
                let event = self.event(saga, paid, None, Some(now));
                events::store::append(tx, &[event]).await?;
            }
            Record::Undo(ending) => store::set_ending(tx, saga.order, ending).await?,
            Record::Refused(refusal) => {
                let ending = Ending::cancelled(*refusal);
                store::set_ending(&mut *tx, saga.order, &ending).await?;
                orders::store::unbind_key(tx, saga.shopper, saga.order).await?;
            }
            Record::Undone => {
                let ending = saga.ending.as_ref().ok_or_else(|| {
                    Stop::Broken(anyhow::anyhow!("an undone checkout without an ending"))
                })?;
                let (reason, now) = (Some(ending.reason.as_str()), self.clock.now());
                orders::store::conclude(&mut *tx, saga.order, ending.status, reason, now).await?;
                if ending.is_news() {
                    let event = self.event(saga, ending.status, reason, None);
                    events::store::append(tx, &[event]).await?;
                }
            }
        }
        Ok(())
    }

    fn event(
        &self,
        saga: &Saga,
        status: OrderStatus,
        reason: Option<&str>,
        paid_at: Option<Timestamp>,
    ) -> Event {
        let fact = OrderFact {
            order: saga.order,
            sale: saga.bucket.sale.clone(),
            shopper: saga.shopper,
            status: status.as_str().to_owned(),
            reason: reason.map(str::to_owned),
            lines: saga.lines.iter().map(fact_line).collect(),
            total: saga.total,
            refunded_total: Money::zero(saga.total.currency),
            created_at: saga.created_at,
            paid_at,
        };
        let fact = match status {
            OrderStatus::Paid => Fact::OrderPaid(fact),
            OrderStatus::Declined => Fact::OrderDeclined(fact),
            _ => Fact::OrderCancelled(fact),
        };
        Event::new(self.ids.unique(), self.clock.now(), fact)
    }

    /// Asks the stock under the epoch on record, again for a while if it is closed.
    pub(super) async fn stock<T, F>(
        &self,
        saga: &Saga,
        ask: impl Fn(Epoch, Timestamp) -> F,
    ) -> Result<(Epoch, T), Stop>
    where
        F: Future<Output = Result<T, InventoryError>>,
    {
        let patience = Instant::now() + CLOSED_WAIT;
        loop {
            let epoch = sales::store::epoch(&self.pool, saga.sale, saga.bucket.number).await?;
            let error = match ask(epoch, self.deadline(saga)).await {
                Ok(answer) => return Ok((epoch, answer)),
                Err(error) => error,
            };
            match error {
                InventoryError::Late => return Err(Stop::Later("the lease is nearly over")),
                // A begin whose answer was lost may yet arrive, and after a second one, an abort
                // and the end of this checkout it would freeze the cart for nobody. Any other verb
                // finds a cart that is no longer frozen for it.
                InventoryError::Unavailable(error) if saga.step == Step::Begin => {
                    return Err(Stop::Unsure(error.into()));
                }
                InventoryError::Closed | InventoryError::Unavailable(_) => {}
                InventoryError::Unexpected(what) => {
                    return Err(Stop::Broken(anyhow::anyhow!(what)));
                }
            }
            if Instant::now() >= patience {
                return Err(Stop::Later("the stock is closed"));
            }
            sleep(CLOSED_PAUSE).await;
        }
    }

    /// The end of what is left of the lease, less the margin, in Redis' time.
    fn deadline(&self, saga: &Saga) -> Timestamp {
        let rest = TimeDelta::from_std(saga.lease.rest()).unwrap_or(TimeDelta::MAX);
        let margin = TimeDelta::from_std(MARGIN).unwrap_or_default();
        let now = self.inventory.redis_now();
        now.checked_add_signed(rest - margin).unwrap_or(now)
    }

    async fn moment(&self, moment: Moment) -> Result<(), Stop> {
        match &self.schedule {
            Some(schedule) if !schedule(moment).await => {
                Err(Stop::Unsure(anyhow::anyhow!("ended by the schedule at {moment:?}")))
            }
            _ => Ok(()),
        }
    }
}

impl Saga {
    /// Takes over what was recorded.
    fn follow(&mut self, turn: Turn, lease: Lease) {
        self.step = turn.next;
        self.lease = lease;
        match turn.record {
            Record::Settled(zero) => self.settled = Some(zero),
            Record::Undo(ending) => self.ending = Some(ending),
            Record::Refused(refusal) => self.ending = Some(Ending::cancelled(refusal)),
            Record::Prepared(reference) => self.reference = Some(reference),
            Record::StepAlone | Record::Paid(_) | Record::Undone => {}
        }
        self.tries = 0;
    }
}

/// The longest that a checkout at this step is left alone. A shopper who comes back from his bank
/// shall not wait.
fn longest(step: Step) -> Duration {
    if matches!(step, Step::Prepare | Step::Authorise) { LONGEST_LOOK } else { LONGEST_PAUSE }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        // A commit whose answer was lost may have been carried out.
        Self::Unsure(error.into())
    }
}
