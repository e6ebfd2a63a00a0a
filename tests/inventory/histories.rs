//! Random histories: the scripts on real Redis against the model, equal after every step, and paper
//! from which the stock is opened again after each loss.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, FailurePersistence, TestRunner},
};
use stampede::{
    kernel::{
        clock::from_millis,
        ids::{ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Revision, Seq, Version},
    },
    shop::inventory::{
        BeginOutcome, CartState, Claim, Claimed, Freeze, Holds, InventoryError, Scripts,
        SettleOutcome, Terms, TermsOutcome, Units,
    },
};

use super::{model::Model, support::*};

const SKUS: [&str; 3] = ["A1", "A2", "B"];
const SHOPPERS: usize = 2;
/// Checkouts 0 and 2 are shopper 0's.
const ORDERS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// Shopper, SKU (the last one does not exist), quantity; whether the lines reach paper.
    Claim {
        lines: Vec<(usize, usize, i64)>,
        confirmed: bool,
        late: bool,
    },
    /// Somebody who has not heard of the last opening.
    Forgotten,
    /// What was confirmed goes on the shelf; with versions that mean nothing here.
    GiveBack,
    /// All that the list of holds says.
    Expire {
        confirmed: bool,
    },
    /// Left-over returns: publish, confirm, give back.
    Sweep,
    Restate,
    /// What the saga has to do next.
    Advance {
        order: usize,
    },
    /// Of every saga verb, `attempt` is the difference to the last attempt on paper.
    Begin {
        order: usize,
        changed: bool,
        attempt: i32,
        late: bool,
    },
    Settle {
        order: usize,
        attempt: i32,
    },
    Capture {
        order: usize,
    },
    Pay {
        order: usize,
    },
    Finish {
        order: usize,
        attempt: i32,
    },
    Abort {
        order: usize,
        attempt: i32,
        late: bool,
    },
    Lower {
        sku: usize,
        total: i64,
        stale: bool,
    },
    Terms {
        totals: Vec<i64>,
        limit: i64,
        paused: bool,
        stale: bool,
    },
    Pass {
        millis: i64,
    },
    /// Redis comes back empty, or another server answers.
    Lose {
        wiped: bool,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let line = (0..SHOPPERS, 0..=SKUS.len(), 0..4_i64);
    let order = 0..ORDERS;
    let attempt = prop_oneof![5 => Just(0), 1 => Just(1), 2 => Just(-1)];
    let claim = (vec(line, 1..5), prop::bool::weighted(0.8), prop::bool::weighted(0.05));
    let (seldom, hardly) = (prop::bool::weighted(0.1), prop::bool::weighted(0.05));
    let begin = (order.clone(), seldom, attempt.clone(), hardly);
    let abort = (order.clone(), attempt.clone(), hardly);
    let terms = (vec(0..6_i64, 2..=3), 0..6_i64, prop::bool::weighted(0.1), any::<bool>());
    prop_oneof![
        30 => claim.prop_map(|(lines, confirmed, late)| Step::Claim { lines, confirmed, late }),
        2 => Just(Step::Forgotten),
        8 => Just(Step::GiveBack),
        8 => prop::bool::weighted(0.7).prop_map(|confirmed| Step::Expire { confirmed }),
        4 => Just(Step::Sweep),
        2 => Just(Step::Restate),
        16 => order.clone().prop_map(|order| Step::Advance { order }),
        12 => begin.prop_map(|(order, changed, attempt, late)| {
            Step::Begin { order, changed, attempt, late }
        }),
        6 => (order.clone(), attempt.clone())
            .prop_map(|(order, attempt)| Step::Settle { order, attempt }),
        3 => order.clone().prop_map(|order| Step::Capture { order }),
        3 => order.clone().prop_map(|order| Step::Pay { order }),
        3 => (order, attempt).prop_map(|(order, attempt)| Step::Finish { order, attempt }),
        6 => abort.prop_map(|(order, attempt, late)| Step::Abort { order, attempt, late }),
        2 => (0..SKUS.len(), 0..6_i64, any::<bool>())
            .prop_map(|(sku, total, stale)| Step::Lower { sku, total, stale }),
        2 => terms.prop_map(|(totals, limit, paused, stale)| {
            Step::Terms { totals, limit, paused, stale }
        }),
        8 => prop_oneof![1..1000_i64, Just(HOLD / 2), Just(HOLD), Just(HOLD + GRACE)]
            .prop_map(|millis| Step::Pass { millis }),
        3 => any::<bool>().prop_map(|wiped| Step::Lose { wiped }),
        3 => Just(Step::Reopen),
    ]
}

/// What Postgres knows of a checkout. The epoch is that in which the outcome was recorded.
#[derive(Debug, Clone, PartialEq)]
enum Saga {
    Asked,
    Begun,
    Settled(Epoch, Vec<CartLine>),
    Capturing(Vec<CartLine>),
    Paid,
}

struct Order {
    /// An aborted or paid order is followed by another of the same shopper.
    id: usize,
    saga: Saga,
    attempt: i32,
    lines: Vec<(Sku, Quantity)>,
}

struct History {
    shop: Shop,
    model: Model,
    open: bool,
    holds: Holds,
    last_epoch: i64,
    last_revision: i64,
    /// Paper: terms, lines by highest version, orders.
    terms: Terms,
    lines: BTreeMap<(ShopperId, Sku), CartLine>,
    bought: Vec<(ShopperId, Sku, Quantity)>,
    orders: Vec<Order>,
    /// Confirmed, and not yet given back.
    confirmed: Vec<Version>,
}

impl History {
    async fn begin(scripts: Scripts) -> Self {
        let shop = Shop::at(&redis_url(), scripts);
        let terms = terms(&[("A1", 4), ("A2", 3), ("B", 2)]);
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
            orders: (0..ORDERS).map(order).collect(),
            confirmed: Vec::new(),
        }
    }

    fn epoch(&self) -> Epoch {
        self.model.epoch
    }

    /// What the scripts must answer: the model's answer, or that the stock is closed.
    fn check<T: std::fmt::Debug + PartialEq>(
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

    fn publish(&mut self, lines: &[CartLine]) {
        for line in lines {
            let known = self.lines.entry((line.shopper, line.sku.clone()));
            let known = known.or_insert_with(|| line.clone());
            if known.version < line.version {
                *known = line.clone();
            }
        }
    }

    async fn step(&mut self, step: &Step) {
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
                let strange = |epoch, seq| Version { epoch: Epoch(epoch), seq: Seq(seq) };
                items.extend([strange(self.epoch().0 - 1, 1), strange(self.epoch().0, 999)]);
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

    /// The order's owner, `attempt` after the last one on paper.
    fn owner(&self, order: usize, attempt: i32) -> Freeze {
        let Order { id, attempt: last, .. } = self.orders[order];
        freeze(order % SHOPPERS, id, (last + attempt).max(1))
    }

    fn next(&self, order: usize) -> Step {
        match self.orders[order].saga {
            Saga::Asked => Step::Begin { order, changed: false, attempt: 0, late: false },
            Saga::Begun => Step::Settle { order, attempt: 0 },
            Saga::Settled(epoch, _) if epoch == self.epoch() => Step::Capture { order },
            Saga::Settled(..) => Step::Settle { order, attempt: 0 },
            Saga::Capturing(_) => Step::Pay { order },
            Saga::Paid => Step::Finish { order, attempt: 0 },
        }
    }

    /// The checkout's own steps, as far as its saga has come on paper.
    async fn checkout(&mut self, step: &Step) {
        let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
        let (epoch, now) = (self.epoch(), self.model.now);
        match *step {
            Step::Begin { order, changed, attempt, late } => {
                if !matches!(self.orders[order].saga, Saga::Asked | Saga::Begun) {
                    return;
                }
                let by = self.owner(order, attempt);
                let mut lines = self.cart_of(by.shopper);
                if changed {
                    lines.push((sku("B"), quantity(9)));
                }
                let deadline = from_millis(now - i64::from(late));
                let answer = inventory.begin(&bucket, epoch, deadline, &by, &lines).await;
                if late && self.open {
                    return assert!(matches!(answer, Err(InventoryError::Late)));
                }
                let begun = self.check(answer, |model| model.begin(&by, &lines));
                if matches!(begun, Some(BeginOutcome::Frozen { .. })) {
                    let id = self.orders[order].id;
                    self.orders[order] =
                        Order { id, saga: Saga::Begun, attempt: by.attempt, lines };
                }
            }
            Step::Settle { order, attempt } => {
                if !matches!(self.orders[order].saga, Saga::Begun | Saga::Settled(..)) {
                    return;
                }
                let by = self.owner(order, attempt);
                let lines = self.orders[order].lines.clone();
                let answer = inventory.settle(&bucket, epoch, never(), &by, &lines).await;
                let settled = self.check(answer, |model| model.settle(&by, &lines));
                if let Some(SettleOutcome::Settled(zero)) = settled {
                    self.orders[order].saga = Saga::Settled(epoch, zero);
                    self.orders[order].attempt = by.attempt;
                }
            }
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
                if self.orders[order].saga != Saga::Paid {
                    return;
                }
                let by = self.owner(order, attempt);
                let answer = inventory.finish(&bucket, epoch, never(), &by).await;
                self.check(answer, |model| model.finish(&by));
            }
            Step::Abort { order, attempt, late } => {
                if matches!(self.orders[order].saga, Saga::Capturing(_) | Saga::Paid) {
                    return;
                }
                let by = self.owner(order, attempt);
                let deadline = from_millis(now - i64::from(late));
                let answer = inventory.abort(&bucket, epoch, deadline, &by).await;
                if late && self.open {
                    return assert!(matches!(answer, Err(InventoryError::Late)));
                }
                self.check(answer, |model| model.abort(&by));
            }
            _ => unreachable!(),
        }
        self.follow_up(step);
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

    fn cart_of(&self, shopper: ShopperId) -> Vec<(Sku, Quantity)> {
        let lines = self.model.claims.get(&shopper).map(|claim| &claim.lines);
        let held = lines.into_iter().flatten().filter(|(_, line)| !line.held.is_zero());
        held.map(|(sku, line)| (sku.clone(), line.held)).collect()
    }

    fn revision(&mut self, stale: bool) -> i64 {
        if !stale {
            self.last_revision += 1;
        }
        self.last_revision
    }

    async fn change(&mut self, step: &Step) {
        let (inventory, bucket) = (self.shop.inventory.clone(), self.shop.bucket.clone());
        let epoch = self.epoch();
        match step {
            Step::Lower { sku: which, total, stale } => {
                let (name, revision) = (sku(SKUS[*which]), self.revision(*stale));
                if self.open && !self.model.units.contains_key(&name) {
                    return;
                }
                let totals = [(name.clone(), quantity(*total))];
                let answer =
                    inventory.lower_totals(&bucket, epoch, Revision(revision), &totals).await;
                let done = self.check(answer, |model| model.lower(revision, &name, *total));
                if done == Some(TermsOutcome::Done) {
                    for item in self.terms.skus.iter_mut().filter(|item| item.sku == name) {
                        item.total = item.total.min(quantity(*total));
                    }
                }
            }
            Step::Terms { totals, limit, paused, stale } => {
                let totals: Vec<_> = SKUS.iter().copied().zip(totals.iter().copied()).collect();
                let mut wanted = terms(&totals);
                (wanted.limit, wanted.paused) = (quantity(*limit), *paused);
                wanted.skus[0].product_limit = quantity(limit / 2);
                let revision = self.revision(*stale);
                let answer = inventory.set_terms(&bucket, epoch, Revision(revision), &wanted).await;
                // Which of several SKUs is named, depends.
                let which = match &answer {
                    Ok(TermsOutcome::BelowCommitted { sku, .. }) => Some(sku.clone()),
                    _ => None,
                };
                let expected = |model: &mut Model| match (model.set_terms(revision, &wanted), which)
                {
                    (TermsOutcome::BelowCommitted { .. }, Some(sku)) => {
                        let Units { held, sold, .. } = model.units[&sku];
                        let total = wanted.skus.iter().find(|item| item.sku == sku);
                        assert!(total.map_or(0, |item| i64::from(item.total)) < held + sold);
                        TermsOutcome::BelowCommitted { sku, committed: held + sold }
                    }
                    (outcome, _) => outcome,
                };
                if self.check(answer, expected) == Some(TermsOutcome::Done) {
                    self.terms = wanted;
                }
            }
            _ => unreachable!(),
        }
    }

    /// From paper alone. Whatever was lost, no more is claimed than there is, and what was confirmed
    /// is there.
    async fn reopen(&mut self) {
        self.last_epoch += 1;
        self.last_revision += 1;
        self.confirmed.clear();
        let mut by_shopper: BTreeMap<ShopperId, Vec<CartLine>> = BTreeMap::new();
        for line in self.lines.values() {
            by_shopper.entry(line.shopper).or_default().push(line.clone());
        }
        let mut claims: BTreeMap<_, _> = by_shopper
            .iter()
            .map(|(shopper, lines)| (*shopper, Claim::from_lines(lines)))
            .collect();
        for (shopper, sku, n) in &self.bought {
            claims.entry(*shopper).or_default().add_bought(sku, *n);
        }
        for which in 0..ORDERS {
            let (by, order) = (self.owner(which, 0), &self.orders[which]);
            let claim = claims.entry(by.shopper).or_default();
            match &order.saga {
                Saga::Begun | Saga::Settled(..) if claim.frozen.is_none() => {
                    claim.freeze(by.order, order.attempt);
                }
                Saga::Capturing(_) => claim.settle(by.order, order.attempt, &order.lines),
                _ => {}
            }
        }
        let (epoch, terms) = (Epoch(self.last_epoch), self.terms.clone());
        let pairs: Vec<_> = claims.iter().map(|(s, claim)| (*s, claim.clone())).collect();
        // An opening's revision is its epoch here, and changes come above both.
        self.last_revision = self.last_revision.max(epoch.0);
        self.shop.reopen(epoch, &terms, &pairs).await;
        self.model = Model::open(self.model.now, epoch, epoch.0, &terms, claims);
        self.open = true;
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

fn histories(scripts: &Scripts, max_shrink_iters: u32) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failure_persistence: Option<Box<dyn FailurePersistence>> = None;
    let config = Config { failure_persistence, max_shrink_iters, ..Config::default() };
    // Each step may come twice, as after a lost answer.
    let history = vec((step(), prop::bool::weighted(0.15)), 1..50);
    let run = |steps: Vec<(Step, bool)>| {
        runtime.block_on(async {
            let mut history = History::begin(scripts.clone()).await;
            for (step, twice) in &steps {
                history.step(step).await;
                if *twice {
                    history.step(step).await;
                }
            }
            history.shop.wipe().await;
        });
        Ok(())
    };
    TestRunner::new(config).run(&history, run).map_err(|error| error.to_string())
}

#[test]
fn every_history_goes_as_the_model_says() {
    if let Err(counterexample) = histories(&scripts(), 4000) {
        panic!("{counterexample}");
    }
}

/// One check or effect of each script, taken out.
const MUTANTS: [(&str, &str, &str); 21] = [
    ("prelude", "h[1] ~= epoch or ", ""),
    ("prelude", " or h[2] ~= run_id()", ""),
    ("prelude", "if deadline and", "if false and"),
    ("prelude", "(claim.order ~= '' and terms.grace or 0)", "0"),
    ("prelude", " or claim.settled then return 0", " then return 0"),
    ("prelude", "claim.mark, claim.order, claim.attempt = 'x', '', 0", "claim.mark = 'x'"),
    ("claim", "if is_due(claim) then run_out(shopper, claim) end", ""),
    ("claim", "begin_hold(shopper, claim.expires)", ""),
    ("claim", " or claim.settled and held > 0", ""),
    ("claim", "all > terms.limit", "all > terms.limit + 1"),
    ("claim", "same > unit.limit", "same > unit.limit + 1"),
    ("claim", "if not holds_something(claim) then claim.expires = 0 end", ""),
    ("give_back", "ARGV[i] == terms.epoch and ", ""),
    ("begin", "and attempt < claim.attempt", "and false"),
    ("begin", "claim.mark == 'x' or is_due(claim)", "claim.mark == 'x'"),
    ("settle", "is_due(claim) or ", ""),
    ("settle", "if not claim.settled then move", "if true then move"),
    ("finish", "claim[i + 1], claim[i + 2] = 0, claim[i + 2] + n", "claim[i + 1] = 0"),
    ("abort", "give(shopper, sku, n, 0, 0)", "move(sku, n, HELD, AVAILABLE)"),
    ("set_totals", "unit and tonumber(ARGV[i + 1]) < unit[HELD] + unit[SOLD]", "false"),
    ("set_terms", "(totals[sku] or 0) < committed", "false"),
];

#[test]
fn histories_miss_whatever_is_taken_out() {
    let unnoticed: Vec<_> = MUTANTS
        .iter()
        .filter(|(file, check, instead)| {
            histories(&scripts_without(file, check, instead), 0).is_ok()
        })
        .collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}
