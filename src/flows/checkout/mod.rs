//! Buying a cart: a saga over the stock, the payment provider and the order.
//!
//! Owns the table `checkouts`. What always holds: nothing happens before the order and its
//! checkout are on record, with ids and wanted lines; each step is on record before its effect;
//! every checkout ends, whoever dies on the way: paid, or with nothing bought and nothing charged.
//!
//! In reading order: here a purchase becomes an order; `saga` has the steps and their undos;
//! `owner` carries a checkout from step to step; `resume` takes over what was left.

mod basket;
mod error;
mod metrics;
mod model;
mod notices;
mod owner;
mod replay;
mod resume;
mod saga;
mod store;

use std::time::Duration;

use chrono::Days;
use serde::Serialize;
use sqlx::PgPool;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

pub use error::CheckoutError;
pub use model::{Refusal, Step};
pub use notices::{Handled, PARKED_NOTICES};
pub use owner::{Moment, PARKED, Schedule};
pub use replay::{CheckoutReplay, NoticeReplay};
pub use store::State;

use self::{basket::Basket, metrics::CheckoutMetrics, model::Saga};
use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::{Bucket, Ids, OrderId, ShopperId},
    },
    platform::{
        lease::Lease,
        metrics::{Metrics, MetricsError},
        outbox::Outbox,
    },
    shop::{
        catalog::Catalog,
        inventory::Inventory,
        orders::{
            self, BoundKey, Email, IdempotencyKey, NewOrder, Order, OrderStatus, RequestHash,
            Shipping,
        },
        payments::{Method, Payments},
        sales::Sale,
    },
};

/// How long a shopper waits for the outcome before he hears that it is not known yet: within the
/// five seconds that are promised, and longer than the provider may take.
const PATIENCE: Duration = Duration::from_millis(4_500);
/// For how long after its sale a key is remembered.
const KEPT_DAYS: Days = Days::new(30);

/// What the flow may be set to.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long an owner may count on a checkout; at least two seconds longer than the payment
    /// provider may take.
    pub lease: Duration,
    /// How long a checkout may wait for its authorisation; as long as it may outlive the hold.
    pub grace: Duration,
}

/// What a shopper asks for: his whole cart, under a key.
#[derive(Debug, Clone)]
pub struct Purchase<'a> {
    /// Where.
    pub sale: &'a Sale,
    /// Who.
    pub shopper: ShopperId,
    /// His name for this wish.
    pub key: IdempotencyKey,
    /// Where the receipt goes.
    pub email: Email,
    /// Where the goods go.
    pub shipping: Shipping,
    /// How it is paid.
    pub method: Method,
    /// The version of the cart that he saw, if just that one is to be bought.
    pub cart_version: Option<String>,
}

/// What became of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// Paid, once.
    Paid(Order),
    /// The outcome is not known yet; it will be.
    Pending(Order),
    /// The charge was refused; the hold is still the shopper's until it ends.
    Declined(Order),
}

/// The flow. Cheap to clone.
#[derive(Clone)]
pub struct Checkout {
    pool: PgPool,
    inventory: Inventory,
    catalog: Catalog,
    payments: Payments,
    clock: Clock,
    ids: Ids,
    settings: Settings,
    metrics: CheckoutMetrics,
    schedule: Option<Schedule>,
    /// Who is told that there is something to publish.
    outbox: Option<Outbox>,
    /// Where checkouts are carried: not on the thread of the request, which ends before some of
    /// them do.
    runtime: Handle,
    under_way: TaskTracker,
}

impl Checkout {
    /// Orders are kept in `pool`, ids come from `ids`. Must be called within the runtime that
    /// checkouts are to run on.
    pub fn new(
        pool: PgPool,
        inventory: Inventory,
        catalog: Catalog,
        payments: Payments,
        (clock, ids): (Clock, Ids),
        settings: Settings,
        metrics: &Metrics,
    ) -> Result<Self, MetricsError> {
        Ok(Self {
            pool,
            inventory,
            catalog,
            payments,
            clock,
            ids,
            settings,
            metrics: CheckoutMetrics::new(metrics)?,
            schedule: None,
            outbox: None,
            runtime: Handle::current(),
            under_way: TaskTracker::new(),
        })
    }

    /// The same flow, which wakes the relay at once when it has written an event; without, the relay
    /// finds it when it looks.
    #[must_use]
    pub fn waking(self, outbox: Outbox) -> Self {
        Self { outbox: Some(outbox), ..self }
    }

    /// The same flow with something to happen between single steps: how tests kill an owner, or
    /// open the sale again, at a given moment.
    #[doc(hidden)]
    #[must_use]
    pub fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// Buys the shopper's cart. Repeated under the same key it answers with what has become of the
    /// order; a refusal before there was an order is not remembered.
    ///
    /// The checkout goes on when the caller goes away or loses patience.
    pub async fn place(&self, purchase: Purchase<'_>) -> Result<Placed, CheckoutError> {
        self.payments.current().accepts(&purchase.method)?;
        let hash = purchase.hash()?;
        if let Some(bound) = self.bound(&purchase).await? {
            return self.repeat(&bound, hash).await;
        }
        let saga = match self.order(&purchase, hash).await {
            Ok(saga) => saga,
            // The same request may have come twice, and the other one was faster.
            Err(refused) => {
                return match self.bound(&purchase).await? {
                    Some(bound) => self.repeat(&bound, hash).await,
                    None => Err(refused),
                };
            }
        };
        let order = saga.order;
        let flow = self.clone();
        let carrying = async move { flow.carry(saga).await };
        let carried = self.under_way.spawn_on(carrying, &self.runtime);
        // However it went, and whoever carried it at last, the order says what is true.
        let _ = tokio::time::timeout(PATIENCE, carried).await;
        self.present(order).await
    }

    /// Waits for the checkouts that this process carries for shoppers; none may be placed any more.
    pub async fn close(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }

    /// Asks for a pending order to come to nothing, if no money was taken yet. It takes a moment;
    /// false says that it is too late for that, or that the order is final.
    pub async fn cancel(&self, order: OrderId) -> Result<bool, CheckoutError> {
        Ok(store::cancel(&self.pool, order).await?)
    }

    /// Has a checkout that waits, or that was left to an operator, taken up at once. Nothing happens
    /// to one that is under way or done.
    pub async fn wake(&self, order: OrderId) -> Result<(), CheckoutError> {
        Ok(store::wake(&self.pool, order).await?)
    }

    /// How a checkout stands.
    pub async fn state(&self, order: OrderId) -> Result<Option<State>, CheckoutError> {
        Ok(store::state(&self.pool, order).await?)
    }

    async fn bound(&self, purchase: &Purchase<'_>) -> Result<Option<BoundKey>, CheckoutError> {
        Ok(orders::store::bound_key(&self.pool, purchase.shopper, &purchase.key).await?)
    }

    /// The answer to a key that was used before.
    async fn repeat(&self, bound: &BoundKey, hash: RequestHash) -> Result<Placed, CheckoutError> {
        if !bound.is_of(hash) {
            return Err(CheckoutError::KeyReused);
        }
        // In this order: an owner who gets done in between is found to have done it.
        let in_flight = store::is_with_first_owner(&self.pool, bound.order).await?;
        let placed = self.present(bound.order).await?;
        if let Placed::Pending(order) = &placed
            && in_flight
            && self.clock.now() < order.created_at + PATIENCE
        {
            return Err(CheckoutError::CheckoutInProgress);
        }
        Ok(placed)
    }

    /// The order's present state as an answer.
    async fn present(&self, order: OrderId) -> Result<Placed, CheckoutError> {
        let mut conn = self.pool.acquire().await?;
        let order = orders::store::by_id(&mut conn, order)
            .await?
            .ok_or_else(|| anyhow::anyhow!("the order {order} is gone"))?;
        match order.status {
            OrderStatus::Paid | OrderStatus::Refunded => Ok(Placed::Paid(order)),
            OrderStatus::Pending => Ok(Placed::Pending(order)),
            OrderStatus::Declined => Ok(Placed::Declined(order)),
            OrderStatus::Cancelled => match order.reason.as_deref().and_then(Refusal::parse) {
                Some(refusal) => Err(refusal.into()),
                // by the merchant: nothing was charged, as with a refused card
                None => Ok(Placed::Declined(order)),
            },
        }
    }

    /// Looks at the cart and puts order, key and checkout on record, in one transaction, before
    /// anything else happens.
    async fn order(
        &self,
        purchase: &Purchase<'_>,
        hash: RequestHash,
    ) -> Result<Saga, CheckoutError> {
        let bucket = Bucket::first(purchase.sale.slug.clone());
        let Basket { lines, total } = self.basket(purchase, &bucket).await?;
        let provider = self.payments.current();
        if total.amount > 0 {
            provider.accepts_total(total)?;
        }
        let now = self.clock.now();
        let saga = Saga {
            order: self.ids.order(),
            sale: purchase.sale.id,
            bucket,
            shopper: purchase.shopper,
            step: Step::Begin,
            attempt: Saga::FIRST_ATTEMPT,
            lease: Lease::of(self.settings.lease),
            tries: 0,
            cancelled: false,
            provider: provider.name().to_owned(),
            method: purchase.method.clone(),
            reference: None,
            total,
            lines: lines.clone(),
            created_at: now,
            ending: None,
            settled: None,
        };
        let order = NewOrder {
            id: saga.order,
            sale: saga.sale,
            shopper: saga.shopper,
            email: purchase.email.clone(),
            shipping: purchase.shipping.clone(),
            lines,
            total,
            provider: provider.name(),
            created_at: now,
        };
        let mut tx = self.pool.begin().await?;
        orders::store::insert(&mut tx, &order).await?;
        let bound = (saga.order, hash);
        let kept = keep_until(purchase.sale.ends_at);
        orders::store::bind_key(&mut *tx, saga.shopper, &purchase.key, bound, kept).await?;
        store::insert(&mut *tx, &saga, self.settings.lease).await?;
        tx.commit().await?;
        Ok(saga)
    }
}

impl Purchase<'_> {
    /// The hash of all that was asked for, by which a key knows its request.
    fn hash(&self) -> Result<RequestHash, CheckoutError> {
        #[derive(Serialize)]
        struct Canonical<'a> {
            sale: &'a str,
            email: &'a Email,
            shipping: &'a Shipping,
            method: &'a str,
            cart_version: Option<&'a str>,
        }
        let canonical = Canonical {
            sale: self.sale.slug.as_str(),
            email: &self.email,
            shipping: &self.shipping,
            method: self.method.as_str(),
            cart_version: self.cart_version.as_deref(),
        };
        RequestHash::of(&canonical).map_err(|error| anyhow::Error::from(error).into())
    }
}

fn keep_until(ends_at: Timestamp) -> Timestamp {
    ends_at.checked_add_days(KEPT_DAYS).unwrap_or(ends_at)
}

impl std::fmt::Debug for Checkout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkout").field("settings", &self.settings).finish_non_exhaustive()
    }
}
