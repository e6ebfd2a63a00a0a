//! The checkouts of a history: what Postgres knows of them, and their verbs.

use stampede::{
    kernel::{
        clock::from_millis,
        ids::{ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::Epoch,
    },
    shop::inventory::{BeginOutcome, Freeze, InventoryError, SettleOutcome},
};

use super::{
    history::History,
    steps::{ORDERS, SHOPPERS, SKUS, Step},
    support::*,
};

/// What Postgres knows of a checkout. The epoch is that in which the outcome was recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Saga {
    Asked,
    Begun,
    Settled(Epoch, Vec<CartLine>),
    Capturing(Vec<CartLine>),
    Paid,
}

pub(crate) struct Order {
    /// An aborted or paid order is followed by another of the same shopper.
    pub(crate) id: usize,
    pub(crate) saga: Saga,
    pub(crate) attempt: i32,
    pub(crate) lines: Vec<(Sku, Quantity)>,
}

impl History {
    /// The order's owner, `attempt` after the last one on paper.
    pub(crate) fn owner(&self, order: usize, attempt: i32) -> Freeze {
        let Order { id, attempt: last, .. } = self.orders[order];
        freeze(order % SHOPPERS, id, (last + attempt).max(1))
    }

    pub(crate) fn next(&self, order: usize) -> Step {
        match self.orders[order].saga {
            Saga::Asked => Step::Begin { order, changed: false, attempt: 0, late: false },
            Saga::Settled(epoch, _) if epoch == self.epoch() => Step::Capture { order },
            Saga::Begun | Saga::Settled(..) => Step::Settle { order, attempt: 0 },
            Saga::Capturing(_) => Step::Pay { order },
            Saga::Paid => Step::Finish { order, attempt: 0 },
        }
    }

    /// The checkout's own steps, as far as its saga has come on paper.
    pub(crate) async fn checkout(&mut self, step: &Step) {
        match *step {
            Step::Begin { order, changed, attempt, late } => {
                self.begin_order(order, changed, attempt, late).await;
            }
            Step::Settle { order, attempt } => self.settle_order(order, attempt).await,
            Step::Capture { order } => {
                // An outcome of another epoch is not recorded: settle runs again.
                if let Saga::Settled(settled_in, zero) = &self.orders[order].saga
                    && settled_in.0 == self.last_epoch
                {
                    self.orders[order].saga = Saga::Capturing(zero.clone());
                }
            }
            Step::Pay { order } => {
                if let Saga::Capturing(zero) = self.orders[order].saga.clone() {
                    self.publish(&zero);
                    let shopper = self.owner(order, 0).shopper;
                    let lines = self.orders[order].lines.clone();
                    self.bought.extend(lines.into_iter().map(|(sku, n)| (shopper, sku, n)));
                    self.orders[order].saga = Saga::Paid;
                }
            }
            Step::Finish { order, attempt } => {
                if self.orders[order].saga == Saga::Paid {
                    let (by, shop) = (self.owner(order, attempt), self.shop.clone());
                    let answer = shop.inventory.finish(&shop.bucket, self.epoch(), never(), &by);
                    self.check(answer.await, |model| model.finish(&by));
                }
            }
            Step::Abort { order, attempt, late } => self.abort_order(order, attempt, late).await,
            _ => unreachable!(),
        }
        self.follow_up(step);
    }

    /// Paper first, then the stock, which is told how many came back in all.
    pub(crate) async fn restock(&mut self, who: usize, which: usize, told: bool, late: bool) {
        let (by, item) = (shopper(who), sku(SKUS[which]));
        let ours = |(whose, what, n): &(ShopperId, Sku, Quantity)| {
            if (whose, what) == (&by, &item) { i64::from(*n) } else { 0 }
        };
        let bought: i64 = self.bought.iter().map(ours).sum();
        let known = self.restocked.get(&(by, item.clone())).copied().unwrap_or_default();
        if bought > known {
            self.restocked.insert((by, item), known + 1);
        }
        let earlier = i64::from(late);
        let back: Vec<_> = self.restocked.iter().filter(|((whose, _), _)| *whose == by).collect();
        let back: Vec<_> =
            back.iter().map(|((_, sku), n)| (sku.clone(), quantity(*n - earlier))).collect();
        if told && !back.is_empty() {
            let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
            let answer = inventory.restock(&bucket, self.epoch(), never(), by, &back).await;
            self.check(answer, |model| model.restock(by, &back));
        }
    }

    async fn begin_order(&mut self, order: usize, changed: bool, attempt: i32, late: bool) {
        if !matches!(self.orders[order].saga, Saga::Asked | Saga::Begun) {
            return;
        }
        let by = self.owner(order, attempt);
        let mut lines = self.cart_of(by.shopper);
        if changed {
            lines.push((sku("B"), quantity(9)));
        }
        let (deadline, shop) = (from_millis(self.model.now - i64::from(late)), self.shop.clone());
        let answer = shop.inventory.begin(&shop.bucket, self.epoch(), deadline, &by, &lines).await;
        if late && self.open {
            return assert!(matches!(answer, Err(InventoryError::Late)));
        }
        let begun = self.check(answer, |model| model.begin(&by, &lines));
        if matches!(begun, Some(BeginOutcome::Frozen { .. })) {
            let id = self.orders[order].id;
            self.orders[order] = Order { id, saga: Saga::Begun, attempt: by.attempt, lines };
        }
    }

    async fn settle_order(&mut self, order: usize, attempt: i32) {
        if !matches!(self.orders[order].saga, Saga::Begun | Saga::Settled(..)) {
            return;
        }
        let (by, shop, epoch) = (self.owner(order, attempt), self.shop.clone(), self.epoch());
        let lines = self.orders[order].lines.clone();
        let answer = shop.inventory.settle(&shop.bucket, epoch, never(), &by, &lines).await;
        let settled = self.check(answer, |model| model.settle(&by, &lines));
        if let Some(SettleOutcome::Settled(zero)) = settled {
            self.orders[order].saga = Saga::Settled(epoch, zero);
            self.orders[order].attempt = by.attempt;
        }
    }

    async fn abort_order(&mut self, order: usize, attempt: i32, late: bool) {
        if matches!(self.orders[order].saga, Saga::Capturing(_) | Saga::Paid) {
            return;
        }
        let (by, shop) = (self.owner(order, attempt), self.shop.clone());
        let deadline = from_millis(self.model.now - i64::from(late));
        let answer = shop.inventory.abort(&shop.bucket, self.epoch(), deadline, &by).await;
        if late && self.open {
            return assert!(matches!(answer, Err(InventoryError::Late)));
        }
        self.check(answer, |model| model.abort(&by));
    }

    /// An order that is final is followed by another one.
    fn follow_up(&mut self, step: &Step) {
        let (Step::Finish { order, .. } | Step::Abort { order, .. }) = *step else { return };
        let by = self.owner(order, 0);
        let frozen = self.model.claims.get(&by.shopper).and_then(|claim| claim.frozen);
        if self.open && frozen.is_none_or(|frozen| frozen.order != by.order) {
            let id = self.orders[order].id + ORDERS;
            self.orders[order] = Order { id, saga: Saga::Asked, attempt: 1, lines: Vec::new() };
        }
    }
}
