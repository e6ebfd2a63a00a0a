//! The verbs of a checkout.

use std::collections::BTreeMap;

use stampede::{
    kernel::{
        ids::{ShopperId, Sku},
        quantity::Quantity,
    },
    shop::inventory::{
        BeginOutcome, Claim, Freeze, Frozen, RestockOutcome, SettleOutcome, UnfreezeOutcome,
    },
};

use super::Model;
use crate::inventory::support::quantity;

impl Model {
    fn holds_just(claim: &Claim, lines: &[(Sku, Quantity)]) -> bool {
        let held = claim.lines.iter().filter(|(_, line)| !line.held.is_zero());
        held.map(|(sku, line)| (sku.clone(), line.held)).collect::<BTreeMap<_, _>>()
            == lines.iter().cloned().collect()
    }

    pub(crate) fn begin(&mut self, by: &Freeze, lines: &[(Sku, Quantity)]) -> BeginOutcome {
        let mut claim = self.claims.get(&by.shopper).cloned().unwrap_or_default();
        let empty = claim.lines.values().all(|line| line.held.is_zero());
        match claim.frozen {
            Some(f) if f.order == by.order && f.attempt > by.attempt => BeginOutcome::Stale,
            _ if claim.ran_out || self.is_due(&claim) => BeginOutcome::HoldExpired,
            _ if empty => BeginOutcome::CartEmpty,
            Some(f) if f.order != by.order => BeginOutcome::InProgress,
            _ if !Self::holds_just(&claim, lines) => BeginOutcome::CartChanged,
            before => {
                let settled = before.is_some_and(|f| f.settled);
                claim.frozen = Some(Frozen { order: by.order, attempt: by.attempt, settled });
                let expires_at = claim.expires_at.unwrap();
                self.claims.insert(by.shopper, claim);
                BeginOutcome::Frozen { expires_at }
            }
        }
    }

    fn frozen_by(&self, by: &Freeze) -> Option<(Claim, Frozen)> {
        let claim = self.claims.get(&by.shopper)?;
        let frozen = claim.frozen.filter(|frozen| frozen.order == by.order)?;
        Some((claim.clone(), frozen))
    }

    pub(crate) fn settle(&mut self, by: &Freeze, lines: &[(Sku, Quantity)]) -> SettleOutcome {
        let Some((mut claim, frozen)) = self.frozen_by(by) else { return SettleOutcome::Gone };
        if frozen.attempt > by.attempt {
            return SettleOutcome::Stale;
        }
        if self.is_due(&claim) || !Self::holds_just(&claim, lines) {
            return SettleOutcome::Gone;
        }
        let mut zero = Vec::new();
        for sku in &self.order_of(by.shopper) {
            let held = claim.lines[sku].held;
            if !held.is_zero() {
                if !frozen.settled {
                    self.counters(sku).held -= i64::from(held);
                    self.counters(sku).sold += i64::from(held);
                }
                zero.push(self.line(by.shopper, sku, Quantity::ZERO, None));
            }
        }
        claim.frozen = Some(Frozen { attempt: by.attempt, settled: true, ..frozen });
        self.claims.insert(by.shopper, claim);
        SettleOutcome::Settled(zero)
    }

    pub(crate) fn finish(&mut self, by: &Freeze) -> UnfreezeOutcome {
        let Some((mut claim, frozen)) = self.frozen_by(by) else { return UnfreezeOutcome::Done };
        if frozen.attempt > by.attempt {
            return UnfreezeOutcome::Stale;
        }
        for (sku, line) in &mut claim.lines {
            let held = i64::from(line.held);
            if held > 0 && !frozen.settled {
                self.counters(sku).held -= held;
                self.counters(sku).sold += held;
            }
            line.bought = quantity(i64::from(line.bought) + held);
            line.held = Quantity::ZERO;
        }
        if !frozen.settled {
            self.draw();
        }
        (claim.frozen, claim.expires_at) = (None, None);
        self.claims.insert(by.shopper, claim);
        UnfreezeOutcome::Done
    }

    /// `back` says how many of each SKU are on sale again in all.
    pub(crate) fn restock(&mut self, by: ShopperId, back: &[(Sku, Quantity)]) -> RestockOutcome {
        let mut claim = self.claims[&by].clone();
        let missing = |(sku, back): &(Sku, Quantity)| {
            let line = claim.lines.get(sku).copied().unwrap_or_default();
            let n = i64::from(*back) - i64::from(line.restocked);
            (n > 0).then(|| (sku.clone(), n, i64::from(line.bought)))
        };
        let missing: Vec<_> = back.iter().filter_map(missing).collect();
        if missing.iter().any(|(_, n, bought)| bought < n) {
            return RestockOutcome::NotYet;
        }
        for (sku, n, bought) in missing {
            let line = claim.lines.get_mut(&sku).unwrap();
            line.bought = quantity(bought - n);
            line.restocked = quantity(i64::from(line.restocked) + n);
            self.counters(&sku).sold -= n;
            self.counters(&sku).available += n;
            self.draw();
        }
        self.claims.insert(by, claim);
        RestockOutcome::Done
    }

    pub(crate) fn abort(&mut self, by: &Freeze) -> UnfreezeOutcome {
        let Some((mut claim, frozen)) = self.frozen_by(by) else { return UnfreezeOutcome::Done };
        if frozen.attempt > by.attempt {
            return UnfreezeOutcome::Stale;
        }
        claim.frozen = None;
        if frozen.settled {
            for sku in &self.order_of(by.shopper) {
                let held = std::mem::take(&mut claim.lines.get_mut(sku).unwrap().held);
                if !held.is_zero() {
                    self.counters(sku).sold -= i64::from(held);
                    self.counters(sku).held += i64::from(held);
                    let line = self.line(by.shopper, sku, Quantity::ZERO, None);
                    self.give(&line, held.into());
                }
            }
            claim.expires_at = None;
        }
        let due = self.is_due(&claim);
        self.claims.insert(by.shopper, claim);
        if due {
            self.run_out(by.shopper);
        }
        UnfreezeOutcome::Done
    }
}
