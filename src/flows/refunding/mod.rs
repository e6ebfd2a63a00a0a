//! Giving money back, and units with it: a saga over the payment provider, the order and the stock.
//!
//! What always holds: a refund is on record before the provider hears of it, under an id that is also
//! its key there; all refunds of an order together never come to more than was paid, for they are
//! weighed under the order's lock; units go on sale again only when paper says that they are back;
//! and every refund ends, whoever dies on the way.
//!
//! Two steps: `refund` gives the money back and records it with the order, its lines and the event in
//! one transaction; `restock` puts those units on the shelf that were not damaged.

mod carry;
mod error;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use sqlx::PgPool;

pub use carry::{PARKED, RefundReplay};
pub use error::RefundError;

use crate::{
    kernel::{
        clock::Clock,
        ids::{Ids, OrderId, Sku},
        quantity::Quantity,
    },
    platform::outbox::Outbox,
    shop::{
        inventory::Inventory,
        orders::{self, Order, OrderStatus},
        payments::Payments,
        refunds::{self, Refund, RefundLine, RefundLines, Step},
    },
};

/// What is to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// All that was not given back yet.
    Rest,
    /// Units of these SKUs.
    Units(BTreeMap<Sku, Quantity>),
}

/// A refund, as it is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Of which order.
    pub order: OrderId,
    /// What.
    pub what: What,
    /// Whether the units go on sale again.
    pub restock: bool,
    /// Why, for the shopper and the books.
    pub reason: Option<String>,
}

/// The flow. Cheap to clone.
#[derive(Clone)]
pub struct Refunding {
    pool: PgPool,
    inventory: Inventory,
    payments: Payments,
    clock: Clock,
    ids: Ids,
    lease: Duration,
    /// Who is told that there is something to publish.
    outbox: Option<Outbox>,
}

impl Refunding {
    /// Refunds are kept in `pool`; a process owns one for `lease` without a sign of life.
    #[must_use]
    pub fn new(
        pool: PgPool,
        inventory: Inventory,
        payments: Payments,
        (clock, ids): (Clock, Ids),
        lease: Duration,
    ) -> Self {
        Self { pool, inventory, payments, clock, ids, lease, outbox: None }
    }

    /// The same flow, which wakes the relay at once when it has written an event; without, the relay
    /// finds it when it looks.
    #[must_use]
    pub fn waking(self, outbox: Outbox) -> Self {
        Self { outbox: Some(outbox), ..self }
    }

    /// Puts a refund on record, and carries it as far as it goes. Says how it stands then; what is
    /// left is taken up by whoever resumes.
    pub async fn refund(&self, wish: &Wish) -> Result<Refund, RefundError> {
        let refund = self.begin(wish).await?;
        let id = refund.id;
        self.carry(refund).await;
        let all = refunds::store::of_order(&self.pool, wish.order).await?;
        let ours = all.into_iter().find(|refund| refund.id == id);
        ours.ok_or_else(|| anyhow::anyhow!("the refund {id} is gone").into())
    }

    /// Takes over refunds whose lease is over, `limit` at most; says how many there were.
    pub async fn resume_due(&self, limit: u16) -> Result<usize, RefundError> {
        let due = refunds::store::take_over(&self.pool, limit.into(), self.lease).await?;
        let taken = due.len();
        futures_util::future::join_all(due.into_iter().map(|refund| self.carry(refund))).await;
        Ok(taken)
    }

    /// Has the refunds of an order that wait, or that were left to an operator, taken up at once.
    pub async fn wake(&self, order: OrderId) -> Result<(), RefundError> {
        Ok(refunds::store::wake(&self.pool, order).await?)
    }

    /// The refunds of an order, the oldest first.
    pub async fn of_order(&self, order: OrderId) -> Result<Vec<Refund>, RefundError> {
        Ok(refunds::store::of_order(&self.pool, order).await?)
    }

    async fn begin(&self, wish: &Wish) -> Result<Refund, RefundError> {
        let mut tx = self.pool.begin().await?;
        orders::store::lock(&mut *tx, wish.order).await?;
        let order =
            orders::store::by_id(&mut tx, wish.order).await?.ok_or(RefundError::NotFound)?;
        match order.status {
            OrderStatus::Paid => {}
            OrderStatus::Refunded => return Err(RefundError::NothingLeft),
            status => return Err(RefundError::NotPaid(status)),
        }
        let before = refunds::store::of_order(&mut *tx, order.id).await?;
        let left = left(&order, &before);
        let lines = lines(wish, &left)?;
        let refund = Refund {
            id: self.ids.unique(),
            order: order.id,
            amount: amount(&order, &lines).ok_or(RefundError::NothingLeft)?,
            lines,
            reason: wish.reason.clone(),
            step: Step::Refund,
            failure: None,
            attempt: 1,
            tries: 0,
            created_at: self.clock.now(),
            refunded_at: None,
        };
        refunds::store::insert(&mut *tx, &refund, self.lease).await?;
        tx.commit().await?;
        Ok(refund)
    }
}

/// Units of each SKU that were neither given back nor are about to be.
fn left(order: &Order, refunds: &[Refund]) -> HashMap<Sku, i64> {
    let mut left: HashMap<Sku, i64> = order
        .lines
        .iter()
        .map(|line| (line.sku.clone(), i64::from(line.quantity) - i64::from(line.refunded)))
        .collect();
    // what is given back stands in the order's lines; what failed never will
    for refund in refunds.iter().filter(|refund| refund.step == Step::Refund) {
        for (sku, line) in &refund.lines {
            *left.entry(sku.clone()).or_default() -= i64::from(line.quantity);
        }
    }
    left
}

fn lines(wish: &Wish, left: &HashMap<Sku, i64>) -> Result<RefundLines, RefundError> {
    let restock = wish.restock;
    let wanted = match &wish.what {
        What::Units(units) => units.clone(),
        What::Rest => left
            .iter()
            .filter(|(_, units)| **units > 0)
            .filter_map(|(sku, units)| Some((sku.clone(), Quantity::try_from(*units).ok()?)))
            .collect(),
    };
    let mut lines = RefundLines::new();
    for (sku, quantity) in wanted {
        let left = *left.get(&sku).ok_or_else(|| RefundError::NotOrdered(sku.clone()))?;
        if i64::from(quantity) > left {
            return Err(RefundError::TooMany { sku, left });
        }
        if !quantity.is_zero() {
            lines.insert(sku, RefundLine { quantity, restock });
        }
    }
    if lines.is_empty() { Err(RefundError::NothingLeft) } else { Ok(lines) }
}

fn amount(order: &Order, lines: &RefundLines) -> Option<i64> {
    order.lines.iter().try_fold(0_i64, |sum, line| {
        let units = lines.get(&line.sku).map_or(0, |line| i64::from(line.quantity));
        sum.checked_add(line.unit_price.amount.checked_mul(units)?)
    })
}

impl std::fmt::Debug for Refunding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refunding").field("lease", &self.lease).finish_non_exhaustive()
    }
}
