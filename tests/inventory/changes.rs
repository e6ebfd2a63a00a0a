//! Changed terms, and openings from paper.

use std::collections::BTreeMap;

use stampede::{
    kernel::{
        ids::ShopperId,
        line::CartLine,
        version::{Epoch, Revision},
    },
    shop::inventory::{Claim, TermsOutcome, Units},
};

use super::{
    history::History,
    model::Model,
    sagas::Saga,
    steps::{ORDERS, SKUS, Step},
    support::*,
};

impl History {
    fn revision(&mut self, stale: bool) -> i64 {
        if !stale {
            self.last_revision += 1;
        }
        self.last_revision
    }

    pub(crate) async fn change(&mut self, step: &Step) {
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
    pub(crate) async fn reopen(&mut self) {
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
            claims.entry(*shopper).or_default().add_bought(sku, *n, quantity(0));
        }
        for ((shopper, sku), n) in &self.restocked {
            let line = claims.get_mut(shopper).and_then(|claim| claim.lines.get_mut(sku)).unwrap();
            line.bought = quantity(i64::from(line.bought) - n);
            line.restocked = quantity(*n);
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
}
