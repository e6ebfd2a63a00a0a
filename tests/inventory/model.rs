//! The stock as a small model: what the scripts should do, said once more and differently.

mod checkout;

use std::collections::BTreeMap;

use stampede::{
    kernel::{
        clock::{Timestamp, from_millis},
        ids::{ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Seq, Version},
    },
    shop::inventory::{
        Claim, ClaimOutcome, Claimed, Refusal, SkuTerms, Terms, TermsOutcome, Units, WantedLine,
    },
};

use super::support::HOLD;

/// One bucket in one epoch.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) epoch: Epoch,
    pub(crate) seq: i64,
    pub(crate) revision: i64,
    pub(crate) terms: Terms,
    pub(crate) units: BTreeMap<Sku, Units>,
    pub(crate) claims: BTreeMap<ShopperId, Claim>,
    /// Lines on their way back, with their units.
    pub(crate) returns: BTreeMap<i64, (CartLine, i64)>,
    /// In which order a shopper's lines stand in the packed claim, and so draw their numbers: that of
    /// their first appearance.
    order: BTreeMap<ShopperId, Vec<Sku>>,
}

impl Model {
    pub(crate) fn open(
        now: i64,
        epoch: Epoch,
        revision: i64,
        terms: &Terms,
        claims: BTreeMap<ShopperId, Claim>,
    ) -> Self {
        let shelf = |sku: &SkuTerms| {
            let total = i64::from(sku.total);
            (sku.sku.clone(), Units { total, available: total, ..Units::default() })
        };
        let mut units: BTreeMap<_, _> = terms.skus.iter().map(shelf).collect();
        for (sku, held, sold) in claims.values().flat_map(Claim::units) {
            if let Some(of_sku) = units.get_mut(sku) {
                of_sku.held += held;
                of_sku.sold += sold;
                of_sku.available -= held + sold;
            }
        }
        let (terms, returns) = (terms.clone(), BTreeMap::new());
        let skus = |claim: &Claim| claim.lines.keys().cloned().collect();
        let order = claims.iter().map(|(shopper, claim)| (*shopper, skus(claim))).collect();
        Self { now, epoch, seq: 0, revision, terms, units, claims, returns, order }
    }

    pub(crate) fn due_at(&self, claim: &Claim) -> Option<i64> {
        let frozen = claim.frozen;
        if claim.ran_out || frozen.is_some_and(|f| f.settled) {
            return None;
        }
        let grace = i64::try_from(self.terms.grace.as_millis()).unwrap();
        Some(claim.expires_at?.timestamp_millis() + if frozen.is_some() { grace } else { 0 })
    }

    pub(crate) fn is_due(&self, claim: &Claim) -> bool {
        self.due_at(claim).is_some_and(|due| due <= self.now)
    }

    fn order_of(&self, shopper: ShopperId) -> Vec<Sku> {
        self.order.get(&shopper).cloned().unwrap_or_default()
    }

    fn draw(&mut self) -> Version {
        self.seq += 1;
        Version { epoch: self.epoch, seq: Seq(self.seq) }
    }

    fn line(
        &mut self,
        shopper: ShopperId,
        sku: &Sku,
        quantity: Quantity,
        expires_at: Option<Timestamp>,
    ) -> CartLine {
        CartLine { shopper, sku: sku.clone(), quantity, expires_at, version: self.draw() }
    }

    fn counters(&mut self, sku: &Sku) -> &mut Units {
        self.units.get_mut(sku).unwrap()
    }

    fn give(&mut self, line: &CartLine, units: i64) {
        self.returns.insert(line.version.seq.0, (line.clone(), units));
    }

    fn run_out(&mut self, shopper: ShopperId) -> Vec<CartLine> {
        let mut claim = self.claims[&shopper].clone();
        let mut gone = Vec::new();
        for sku in &self.order_of(shopper) {
            let held = std::mem::take(&mut claim.lines.get_mut(sku).unwrap().held);
            if !held.is_zero() {
                let line = self.line(shopper, sku, Quantity::ZERO, claim.expires_at);
                self.give(&line, held.into());
                self.counters(sku).expired += i64::from(held);
                gone.push(line);
            }
        }
        claim.ran_out = true;
        claim.frozen = None;
        self.claims.insert(shopper, claim);
        gone
    }

    pub(crate) fn claim(&mut self, wanted: &[WantedLine]) -> Claimed {
        let mut claimed = Claimed::default();
        for want in wanted {
            if self.claims.get(&want.shopper).is_some_and(|claim| self.is_due(claim))
                && self.units.contains_key(&want.sku)
            {
                let gone = self.run_out(want.shopper);
                claimed.returned.extend(gone.iter().map(|line| line.version));
                claimed.lines.extend(gone);
            }
            let outcome = self.set(want, &mut claimed);
            claimed.outcomes.push(outcome);
        }
        claimed
    }

    fn set(&mut self, want: &WantedLine, claimed: &mut Claimed) -> ClaimOutcome {
        let WantedLine { shopper, sku, quantity } = want;
        if !self.units.contains_key(sku) {
            return ClaimOutcome::Refused(Refusal::UnknownSku);
        }
        let mut claim = self.claims.get(shopper).cloned().unwrap_or_default();
        let known = claim.lines.contains_key(sku);
        let held = claim.lines.get(sku).copied().unwrap_or_default().held;
        let more = i64::from(*quantity) - i64::from(held);
        let settled = claim.frozen.is_some_and(|frozen| frozen.settled);
        if claim.frozen.is_some() && (more != 0 || settled && !held.is_zero()) {
            return ClaimOutcome::Refused(Refusal::CheckoutInProgress);
        }
        if !known && more == 0 {
            let expires_at = claim.expires_at.filter(|_| !claim.ran_out);
            return ClaimOutcome::Stood { quantity: *quantity, expires_at };
        }
        if more > 0
            && let Some(refusal) = self.refuse_more(&claim, sku, more)
        {
            if matches!(refusal, Refusal::SoldOut { .. }) {
                self.counters(sku).refused += 1;
            }
            return ClaimOutcome::Refused(refusal);
        }
        if claim.ran_out || claim.expires_at.is_none() {
            let held_until = (more > 0).then(|| from_millis(self.now + HOLD));
            (claim.ran_out, claim.expires_at) = (false, held_until);
        }
        if !known {
            self.order.entry(*shopper).or_default().push(sku.clone());
        }
        claim.lines.entry(sku.clone()).or_default().held = *quantity;
        let ends = claim.expires_at;
        if claim.lines.values().all(|line| line.held.is_zero()) {
            claim.expires_at = None;
        }
        let expires_at = claim.expires_at;
        self.claims.insert(*shopper, claim);
        let line = self.line(*shopper, sku, *quantity, ends.filter(|_| !quantity.is_zero()));
        if more > 0 {
            let units = self.counters(sku);
            units.available -= more;
            units.held += more;
            units.taken += more;
            units.lines += 1;
        } else if more < 0 {
            self.give(&line, -more);
            claimed.returned.push(line.version);
        }
        claimed.lines.push(line);
        match (more, held.is_zero()) {
            (0, _) => ClaimOutcome::Stood { quantity: *quantity, expires_at },
            (_, true) => ClaimOutcome::Created { quantity: *quantity, expires_at },
            (_, false) => ClaimOutcome::Changed { quantity: *quantity, expires_at },
        }
    }

    fn refuse_more(&self, claim: &Claim, sku: &Sku, more: i64) -> Option<Refusal> {
        let terms = &self.terms;
        if self.now < terms.starts_at.timestamp_millis() {
            return Some(Refusal::NotStarted);
        }
        if self.now >= terms.ends_at.timestamp_millis() {
            return Some(Refusal::Ended);
        }
        if terms.paused {
            return Some(Refusal::Paused);
        }
        let of = |name: &Sku| terms.skus.iter().find(|item| &item.sku == name);
        let item = of(sku).unwrap();
        let sum = |counted: &dyn Fn(&Sku) -> bool| -> i64 {
            let lines = claim.lines.iter().filter(|(name, _)| counted(name));
            more + lines.map(|(_, l)| i64::from(l.held) + i64::from(l.bought)).sum::<i64>()
        };
        let over = |limit: Quantity, count: i64| !limit.is_zero() && count > limit.into();
        let same = |name: &Sku| of(name).is_some_and(|other| other.product == item.product);
        if over(terms.limit, sum(&|_| true)) || over(item.product_limit, sum(&same)) {
            return Some(Refusal::LimitReached);
        }
        let available = self.units[sku].available;
        (available < more).then_some(Refusal::SoldOut { available })
    }

    pub(crate) fn give_back(&mut self, items: &[Version]) {
        let (mut any, epoch) = (false, self.epoch);
        for item in items.iter().filter(|item| item.epoch == epoch) {
            if let Some((line, n)) = self.returns.remove(&item.seq.0) {
                let units = self.counters(&line.sku);
                units.held -= n;
                units.available += n;
                units.given += n;
                any = true;
            }
        }
        if any {
            self.draw();
        }
    }

    pub(crate) fn expire(
        &mut self,
        shoppers: &[ShopperId],
    ) -> (Vec<CartLine>, Vec<(Timestamp, ShopperId)>) {
        let (mut lines, mut later) = (Vec::new(), Vec::new());
        for shopper in shoppers {
            let Some(claim) = self.claims.get(shopper) else { continue };
            if self.is_due(claim) {
                lines.extend(self.run_out(*shopper));
            } else if let Some(due) = self.due_at(claim) {
                later.push((from_millis(due), *shopper));
            }
        }
        (lines, later)
    }

    pub(crate) fn restate(&mut self, shoppers: &[ShopperId]) -> Vec<CartLine> {
        let mut said = Vec::new();
        for shopper in shoppers {
            let Some(claim) = self.claims.get(shopper).cloned() else { continue };
            for sku in &self.order_of(*shopper) {
                let held = claim.lines[sku].held;
                if held.is_zero() || !claim.frozen.is_some_and(|frozen| frozen.settled) {
                    let ends = claim.expires_at.filter(|_| !held.is_zero() || claim.ran_out);
                    said.push(self.line(*shopper, sku, held, ends));
                }
            }
        }
        said
    }

    pub(crate) fn lower(&mut self, revision: i64, sku: &Sku, total: i64) -> TermsOutcome {
        if revision <= self.revision {
            return TermsOutcome::Stale;
        }
        let units = self.counters(sku);
        let committed = units.held + units.sold;
        if total < committed {
            return TermsOutcome::BelowCommitted { sku: sku.clone(), committed };
        }
        if total < units.total {
            (units.total, units.available) = (total, total - committed);
        }
        self.draw();
        self.revision = revision;
        TermsOutcome::Done
    }

    /// Like the scripts, names one of the SKUs that are too low; see `histories`.
    pub(crate) fn set_terms(&mut self, revision: i64, terms: &Terms) -> TermsOutcome {
        if revision <= self.revision {
            return TermsOutcome::Stale;
        }
        let mut next = BTreeMap::new();
        for (sku, before) in &self.units {
            let total = terms.skus.iter().find(|item| &item.sku == sku).map(|item| item.total);
            let (held, sold) = (before.held, before.sold);
            let least = total.map_or(0, i64::from);
            if least < held + sold {
                return TermsOutcome::BelowCommitted { sku: sku.clone(), committed: held + sold };
            }
        }
        for item in &terms.skus {
            let mut units = self.units.get(&item.sku).copied().unwrap_or_default();
            units.total = item.total.into();
            units.available = units.total - units.held - units.sold;
            next.insert(item.sku.clone(), units);
        }
        self.draw();
        (self.revision, self.terms, self.units) = (revision, terms.clone(), next);
        TermsOutcome::Done
    }
}
