//! What one shopper holds and has bought, as it is packed in Redis.
//!
//! `expires;mark;order;attempt;settled;SKU=held+bought,…`, all ASCII: `expires` in milliseconds or 0,
//! `mark` an `x` or nothing, `order` 32 hexadecimal digits or nothing, `settled` 0 or 1. A line of
//! which something came back on sale after it was bought ends in `-restocked`. The same packing is
//! in `lua/claims.lua`; the scripts' tests compare the two.

use std::{collections::BTreeMap, fmt};

use uuid::Uuid;

use super::model::{CartState, CartView, InventoryError};
use crate::kernel::{
    clock::{Timestamp, from_millis},
    ids::{OrderId, Sku},
    line::CartLine,
    quantity::Quantity,
};

/// A shopper's claim on a sale's stock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// The end of the hold; the past end of a cart that ran out; `None` when nothing is held.
    pub expires_at: Option<Timestamp>,
    /// The hold ended, and nothing was put in since. Then no line holds anything.
    pub ran_out: bool,
    /// The checkout that has frozen it.
    pub frozen: Option<Frozen>,
    /// Every line that there ever was; zero lines stay.
    pub lines: BTreeMap<Sku, ClaimLine>,
}

/// One SKU of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimLine {
    /// Units in the cart. Those of a settled claim count as sold.
    pub held: Quantity,
    /// Units of paid orders that are the shopper's still.
    pub bought: Quantity,
    /// Units of paid orders that are on sale again, ever. Grows only, so that what was said twice,
    /// or late, is known again.
    pub restocked: Quantity,
}

/// A checkout under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// The order it makes.
    pub order: OrderId,
    /// Its latest owner.
    pub attempt: i32,
    /// Whether the held units count as sold.
    pub settled: bool,
}

impl Claim {
    /// The claim that a shopper's lines on paper stand for. Should their ends differ, which takes a
    /// lost message, the latest counts: nobody loses a line before its time.
    #[must_use]
    pub fn from_lines(lines: &[CartLine]) -> Self {
        let held_until =
            lines.iter().filter(|line| !line.quantity.is_zero()).filter_map(|l| l.expires_at).max();
        let newest = lines.iter().max_by_key(|line| line.version);
        let ran_out_at =
            newest.filter(|line| line.quantity.is_zero()).and_then(|line| line.expires_at);
        let lines = lines
            .iter()
            .map(|line| {
                let line_of_claim = ClaimLine { held: line.quantity, ..ClaimLine::default() };
                (line.sku.clone(), line_of_claim)
            })
            .collect();
        Self {
            expires_at: held_until.or(ran_out_at),
            ran_out: held_until.is_none() && ran_out_at.is_some(),
            frozen: None,
            lines,
        }
    }

    /// Adds units of paid orders, with those that are on sale again. Beyond [`Quantity::MAX`] they
    /// count as that.
    pub fn add_bought(&mut self, sku: &Sku, quantity: Quantity, restocked: Quantity) {
        let line = self.lines.entry(sku.clone()).or_default();
        let sum = |one: Quantity, other: Quantity| {
            let sum = i64::from(one) + i64::from(other);
            Quantity::try_from(sum.min(Quantity::MAX.into())).unwrap_or_default()
        };
        line.bought = sum(line.bought, quantity);
        line.restocked = sum(line.restocked, restocked);
    }

    /// Freezes the cart for a checkout whose `begin` is on record. One that holds nothing stays as
    /// it is: there is nothing to keep for the checkout.
    pub fn freeze(&mut self, order: OrderId, attempt: i32) {
        if self.lines.values().any(|line| !line.held.is_zero()) {
            self.frozen = Some(Frozen { order, attempt, settled: false });
        }
    }

    /// Makes the claim hold the lines of an unpaid order whose payment is being captured, and counts
    /// them as sold. What paper says of these SKUs is the same units or, by a lost message, fewer.
    pub fn settle(&mut self, order: OrderId, attempt: i32, lines: &[(Sku, Quantity)]) {
        for (sku, quantity) in lines {
            self.lines.entry(sku.clone()).or_default().held = *quantity;
        }
        self.ran_out = false;
        // Never looked at while it is settled; abort and finish clear it.
        self.expires_at = self.expires_at.or(Some(from_millis(1)));
        self.frozen = Some(Frozen { order, attempt, settled: true });
    }

    /// The claim's SKUs with their units held and sold.
    pub fn units(&self) -> impl Iterator<Item = (&Sku, i64, i64)> {
        let settled = self.frozen.is_some_and(|frozen| frozen.settled);
        self.lines.iter().map(move |(sku, line)| {
            let (held, bought) = (i64::from(line.held), i64::from(line.bought));
            if settled { (sku, 0, held + bought) } else { (sku, held, bought) }
        })
    }

    /// What the shopper sees at `now` (Redis' time) when a checkout may outlive the hold by
    /// `grace_ms`.
    pub(super) fn view(&self, now: Timestamp, grace_ms: i64) -> CartView {
        let grace = if self.frozen.is_some() { grace_ms } else { 0 };
        let settled = self.frozen.is_some_and(|frozen| frozen.settled);
        let over = |end: Timestamp| now.timestamp_millis() >= end.timestamp_millis() + grace;
        let due = !settled && self.expires_at.is_some_and(over);
        if self.ran_out || due {
            let expires_at = self.expires_at;
            return CartView { lines: Vec::new(), expires_at, state: CartState::RanOut };
        }
        let held = self.lines.iter().filter(|(_, line)| !line.held.is_zero());
        CartView {
            lines: held.map(|(sku, line)| (sku.clone(), line.held)).collect(),
            expires_at: self.expires_at,
            state: self.frozen.map_or(CartState::Open, |frozen| CartState::Frozen(frozen.order)),
        }
    }

    /// Reads a packed claim.
    pub(super) fn parse(packed: &str) -> Result<Self, InventoryError> {
        Self::try_parse(packed)
            .ok_or_else(|| InventoryError::Unexpected(format!("claim {packed:?}")))
    }

    fn try_parse(packed: &str) -> Option<Self> {
        let mut parts = packed.splitn(6, ';');
        let expires: i64 = parts.next()?.parse().ok()?;
        let ran_out = parts.next()? == "x";
        let (order, attempt, settled) = (parts.next()?, parts.next()?, parts.next()? == "1");
        let frozen = if order.is_empty() {
            None
        } else {
            let order = OrderId(Uuid::try_parse(order).ok()?);
            Some(Frozen { order, attempt: attempt.parse().ok()?, settled })
        };
        let lines = parts.next()?.split(',').filter(|line| !line.is_empty());
        let lines = lines.map(parse_line).collect::<Option<_>>()?;
        let expires_at = (expires > 0).then(|| from_millis(expires));
        Some(Self { expires_at, ran_out, frozen, lines })
    }
}

fn parse_line(line: &str) -> Option<(Sku, ClaimLine)> {
    let (sku, units) = line.split_once('=')?;
    let (held, bought) = units.split_once('+')?;
    let (bought, restocked) = bought.split_once('-').unwrap_or((bought, "0"));
    let quantity = |text: &str| Quantity::try_from(text.parse::<i64>().ok()?).ok();
    let (held, bought, restocked) = (quantity(held)?, quantity(bought)?, quantity(restocked)?);
    Some((sku.parse().ok()?, ClaimLine { held, bought, restocked }))
}

/// The packed form.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expires = self.expires_at.map_or(0, |end| end.timestamp_millis());
        write!(f, "{expires};{};", if self.ran_out { "x" } else { "" })?;
        match self.frozen {
            Some(Frozen { order, attempt, settled }) => {
                write!(f, "{};{attempt};{};", order.0.as_simple(), u8::from(settled))?;
            }
            None => f.write_str(";0;0;")?,
        }
        for (i, (sku, line)) in self.lines.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{sku}={}+{}", line.held.get(), line.bought.get())?;
            if !line.restocked.is_zero() {
                write!(f, "-{}", line.restocked.get())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{
        ids::Ids,
        version::{Epoch, Seq, Version},
    };

    fn line(sku: &str, quantity: i64, expires: Option<i64>, seq: i64) -> CartLine {
        CartLine {
            shopper: Ids::random().shopper(),
            sku: sku.parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
            expires_at: expires.map(from_millis),
            version: Version { epoch: Epoch(1), seq: Seq(seq) },
        }
    }

    #[test]
    fn a_claim_survives_packing() {
        let mut claim = Claim::from_lines(&[line("A", 2, Some(9), 1), line("B-1.x", 0, None, 2)]);
        for (expected, change) in [
            ("9;;;0;0;A=2+0,B-1.x=0+0", None),
            ("9;;00000000000000000000000000000007;3;0;A=2+0,B-1.x=0+0", Some(3)),
        ] {
            if let Some(attempt) = change {
                claim.freeze(OrderId(Uuid::from_u128(7)), attempt);
            }
            assert_eq!(claim.to_string(), expected);
            assert_eq!(Claim::parse(expected).unwrap(), claim);
        }
        claim.add_bought(&"A".parse().unwrap(), 1.try_into().unwrap(), 3.try_into().unwrap());
        let expected = "9;;00000000000000000000000000000007;3;0;A=2+1-3,B-1.x=0+0";
        assert_eq!(claim.to_string(), expected);
        assert_eq!(Claim::parse(expected).unwrap(), claim);
        assert_eq!(Claim::parse("0;;;0;0;").unwrap(), Claim::default());
        for bad in ["", "0;;;0;0", "a;;;0;0;", "0;;;0;0;A=1", "0;;;0;0;A=-1+0", "0;;zz;0;0;"] {
            assert!(Claim::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cart_ran_out_if_its_newest_line_says_so() {
        let ran_out = Claim::from_lines(&[line("A", 0, None, 1), line("B", 0, Some(5), 2)]);
        assert!(ran_out.ran_out);
        assert_eq!(ran_out.expires_at, Some(from_millis(5)));
        let released = Claim::from_lines(&[line("A", 0, None, 3), line("B", 0, Some(5), 2)]);
        assert!(!released.ran_out);
        assert_eq!(released.expires_at, None);
        let held = Claim::from_lines(&[line("A", 1, Some(8), 3), line("B", 0, Some(5), 2)]);
        assert_eq!((held.expires_at, held.ran_out), (Some(from_millis(8)), false));
    }

    #[test]
    fn settled_units_count_as_sold() {
        let mut claim = Claim::from_lines(&[line("A", 1, Some(8), 1)]);
        let a: Sku = "A".parse().unwrap();
        claim.add_bought(&a, 3.try_into().unwrap(), Quantity::ZERO);
        assert_eq!(claim.units().collect::<Vec<_>>(), [(&a, 1, 3)]);
        claim.settle(OrderId(Uuid::from_u128(1)), 1, &[(a.clone(), 2.try_into().unwrap())]);
        assert_eq!(claim.units().collect::<Vec<_>>(), [(&a, 0, 5)]);
    }
}
