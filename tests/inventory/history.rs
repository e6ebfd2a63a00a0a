//! One history: the scripts on real Redis beside the model, and paper.

use std::collections::{BTreeMap, BTreeSet};

use stampede::{
    kernel::{
        clock::from_millis,
        ids::{ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Seq, Version},
    },
    shop::inventory::{CartState, Claim, Claimed, Holds, InventoryError, Scripts, Terms},
};

use super::{
    model::Model,
    sagas::{Order, Saga},
    steps::{ORDERS, SHOPPERS, SKUS, Step},
    support::*,
};

pub(crate) struct History {
    pub(crate) shop: Shop,
    pub(crate) model: Model,
    pub(crate) open: bool,
    pub(crate) holds: Holds,
    pub(crate) last_epoch: i64,
    pub(crate) last_revision: i64,
    /// Paper: terms, lines by highest version, orders.
    pub(crate) terms: Terms,
    pub(crate) lines: BTreeMap<(ShopperId, Sku), CartLine>,
    pub(crate) bought: Vec<(ShopperId, Sku, Quantity)>,
    /// Units of them that are on sale again.
    pub(crate) restocked: BTreeMap<(ShopperId, Sku), i64>,
    pub(crate) orders: Vec<Order>,
    /// Confirmed, and not yet given back.
    pub(crate) confirmed: Vec<Version>,
}

impl History {
    pub(crate) async fn begin(scripts: Scripts) -> Self {
        let shop = Shop::at(&redis_url(), scripts);
        let mut terms = terms(&[("A1", 4), ("A2", 3), ("B", 2)]);
        terms.limit = quantity(5);
        terms.skus.iter_mut().take(2).for_each(|item| item.product_limit = quantity(3));
        shop.set_now(START).await;
        shop.reopen(Epoch(1), &terms, &[]).await;
        let order = |id| Order { id, saga: Saga::Asked, attempt: 1, lines: Vec::new() };
        Self {
            model: Model::open(START, Epoch(1), 1, &terms, BTreeMap::new()),
            holds: Holds::new(shop.inventory.clone(), shop.bucket.clone()),
            shop,
            open: true,
            last_epoch: 1,
            last_revision: 1,
            terms,
            lines: BTreeMap::new(),
            bought: Vec::new(),
            restocked: BTreeMap::new(),
            orders: (0..ORDERS).map(order).collect(),
            confirmed: Vec::new(),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.model.epoch
    }

    /// What the scripts must answer: the model's answer, or that the stock is closed.
    pub(crate) fn check<T: std::fmt::Debug + PartialEq>(
        &mut self,
        answer: Result<T, InventoryError>,
        expected: impl FnOnce(&mut Model) -> T,
    ) -> Option<T> {
        if !self.open {
            assert!(matches!(answer, Err(InventoryError::Closed)), "closed, but {answer:?}");
            return None;
        }
        let answer = answer.unwrap();
        assert_eq!(answer, expected(&mut self.model), "answer (left) and model (right)");
        Some(answer)
    }

    pub(crate) fn publish(&mut self, lines: &[CartLine]) {
        for line in lines {
            let known = self.lines.entry((line.shopper, line.sku.clone()));
            let known = known.or_insert_with(|| line.clone());
            if known.version < line.version {
                *known = line.clone();
            }
        }
    }

    pub(crate) async fn step(&mut self, step: &Step) {
        match step {
            Step::Claim { lines, confirmed, late } => self.claim(lines, *confirmed, *late).await,
            Step::Forgotten => {
                let forgotten = Epoch(self.epoch().0 - 1);
                let line = [want(shopper(0), "B", 1)];
                let answer = claim_in(&self.shop.inventory, &self.shop.bucket, forgotten, &line);
                assert!(matches!(answer.await, Err(InventoryError::Closed)));
            }
            Step::GiveBack => {
                let mut items = std::mem::take(&mut self.confirmed);
                self.confirmed.extend(items.iter().filter(|_| !self.open));
                // What an older epoch numbered like a return of this one, and what nobody numbered.
                let older = Epoch(self.epoch().0 - 1);
                let alike = self.model.returns.keys().map(|seq| (older, *seq));
                let strange = alike.chain([(self.epoch(), 999)]);
                items.extend(strange.map(|(epoch, seq)| Version { epoch, seq: Seq(seq) }));
                self.give_back(&items).await;
            }
            Step::Expire { confirmed } => self.expire(*confirmed).await,
            Step::Sweep => self.sweep().await,
            Step::Restate => self.restate().await,
            Step::Advance { order } => self.checkout(&self.next(*order)).await,
            Step::Begin { .. }
            | Step::Settle { .. }
            | Step::Capture { .. }
            | Step::Pay { .. }
            | Step::Finish { .. }
            | Step::Abort { .. } => self.checkout(step).await,
            Step::Restock { who, sku, told, late } => self.restock(*who, *sku, *told, *late).await,
            Step::Lower { .. } | Step::Terms { .. } => self.change(step).await,
            Step::Pass { millis } => {
                self.model.now += millis;
                self.shop.set_now(self.model.now).await;
            }
            Step::Lose { wiped } => {
                if *wiped {
                    self.shop.wipe().await;
                } else if self.open {
                    let _: i64 = self.shop.ask("HSET", "stock", &["run_id", "another"]).await;
                }
                self.open = false;
            }
            Step::Reopen => self.reopen().await,
        }
        self.compare().await;
    }

    async fn claim(&mut self, lines: &[(usize, usize, i64)], confirmed: bool, late: bool) {
        let name = |sku: usize| *SKUS.get(sku).unwrap_or(&"Z");
        let wanted: Vec<_> =
            lines.iter().map(|(who, sku, n)| want(shopper(*who), name(*sku), *n)).collect();
        let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
        let deadline = from_millis(self.model.now - i64::from(late));
        let shelve = std::mem::take(&mut self.confirmed);
        let answer = inventory.claim(&bucket, self.epoch(), deadline, &shelve, &wanted).await;
        if self.open {
            self.model.give_back(&shelve);
        }
        if late && self.open {
            return assert!(matches!(answer, Err(InventoryError::Late)), "late, but {answer:?}");
        }
        let claimed = self.check(answer, |model| model.claim(&wanted));
        if let Some(Claimed { lines, returned, .. }) = claimed.filter(|_| confirmed) {
            self.publish(&lines);
            self.confirmed.extend(returned);
        }
    }

    async fn give_back(&mut self, items: &[Version]) {
        let answer = self.shop.inventory.give_back(&self.shop.bucket, self.epoch(), items).await;
        self.check(answer, |model| model.give_back(items));
    }

    async fn expire(&mut self, confirmed: bool) {
        let epoch = self.holds.catch_up().await.unwrap();
        assert_eq!(epoch, self.open.then_some(self.epoch()));
        let due = self.holds.due(from_millis(self.model.now), usize::MAX);
        let answer = self.shop.inventory.expire(&self.shop.bucket, self.epoch(), &due).await;
        if due.is_empty() && !self.open {
            return;
        }
        let answer = answer.map(|expired| (expired.lines, expired.later));
        let Some((lines, later)) = self.check(answer, |model| model.expire(&due)) else { return };
        for (at, shopper) in later {
            self.holds.later(at, shopper);
        }
        let overlooked: Vec<_> =
            self.model.claims.values().filter(|claim| self.model.is_due(claim)).collect();
        assert!(overlooked.is_empty(), "the list of holds lacks {overlooked:?}");
        if confirmed {
            self.publish(&lines);
            self.confirmed.extend(lines.iter().map(|line| line.version));
        }
    }

    async fn sweep(&mut self) {
        let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
        let answer = inventory.returns(&bucket, self.epoch(), Seq(i64::MAX), 99).await;
        let known = |model: &mut Model| {
            model.returns.values().map(|(line, _)| line.clone()).collect::<Vec<_>>()
        };
        if let Some(lines) = self.check(answer, known) {
            self.publish(&lines);
            let items: Vec<_> = lines.iter().map(|line| line.version).collect();
            self.give_back(&items).await;
        }
    }

    async fn restate(&mut self) {
        let everybody: Vec<_> = (0..SHOPPERS).map(shopper).collect();
        let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
        let answer = inventory.restate(&bucket, self.epoch(), &everybody).await;
        if let Some(lines) = self.check(answer, |model| model.restate(&everybody)) {
            self.publish(&lines);
        }
    }

    pub(crate) fn cart_of(&self, shopper: ShopperId) -> Vec<(Sku, Quantity)> {
        let lines = self.model.claims.get(&shopper).map(|claim| &claim.lines);
        let held = lines.into_iter().flatten().filter(|(_, line)| !line.held.is_zero());
        held.map(|(sku, line)| (sku.clone(), line.held)).collect()
    }

    /// Redis and the model hold the same, and what the counters say is what one gets by adding up.
    async fn compare(&mut self) {
        let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
        let snapshot = inventory.snapshot(&bucket).await.unwrap();
        let Some(snapshot) = snapshot else {
            return assert!(!self.open, "closed");
        };
        assert_eq!((snapshot.epoch, snapshot.seq.0), (self.epoch(), self.model.seq));
        assert_eq!(snapshot.revision.0, self.model.revision);
        assert_eq!(snapshot.units, self.model.units, "counters (left) and model (right)");

        let (_, claims) = inventory.scan_claims(&bucket, self.epoch(), 0).await.unwrap();
        let claims: BTreeMap<_, _> = claims.into_iter().collect();
        assert_eq!(claims, self.model.claims, "claims (left) and model (right)");
        let back = inventory.returns(&bucket, self.epoch(), Seq(i64::MAX), 999).await.unwrap();
        let known: Vec<_> = self.model.returns.values().map(|(line, _)| line.clone()).collect();
        assert_eq!(back, known, "returns (left) and model (right)");

        let mut sums: BTreeMap<Sku, (i64, i64)> = BTreeMap::new();
        for (sku, held, sold) in claims.values().flat_map(Claim::units) {
            let sum = sums.entry(sku.clone()).or_default();
            (sum.0, sum.1) = (sum.0 + held, sum.1 + sold);
        }
        for (line, n) in self.model.returns.values() {
            sums.entry(line.sku.clone()).or_default().0 += n;
        }
        for (sku, units) in &snapshot.units {
            let (held, sold) = sums.get(sku).copied().unwrap_or_default();
            assert_eq!((units.held, units.sold), (held, sold), "{sku}");
            assert_eq!(units.total, units.available + held + sold, "{sku}");
            assert!(units.available >= 0, "{sku} is over-committed: {units:?}");
        }
        self.compare_carts().await;
    }

    async fn compare_carts(&self) {
        for (who, claim) in &self.model.claims {
            let cart =
                self.shop.inventory.cart(&self.shop.bucket, self.epoch(), *who).await.unwrap();
            let over = claim.ran_out || self.model.is_due(claim);
            assert_eq!(cart.state == CartState::RanOut, over, "{claim:?}");
            let expected: BTreeSet<_> =
                if over { BTreeSet::new() } else { self.cart_of(*who).into_iter().collect() };
            assert_eq!(cart.lines.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}
