//! Orders, their sagas and the providers' own books, compared: pure, and by name of what differs.

use std::{collections::HashMap, fmt};

use crate::{
    kernel::{
        ids::{OrderId, SaleSlug},
        money::Money,
    },
    shop::{
        orders::OrderStatus,
        payments::{Booked, Charge},
    },
};

/// An order with its sagas, as Postgres has them at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnRecord {
    /// The order.
    pub order: OrderId,
    /// Its sale.
    pub sale: SaleSlug,
    /// How far it has come.
    pub status: OrderStatus,
    /// What it comes to.
    pub total: Money,
    /// What was given back of it.
    pub refunded: i64,
    /// Who moves its money.
    pub provider: String,
    /// The provider's own name for the payment.
    pub reference: Option<String>,
    /// How it is paid.
    pub method: String,
    /// How its checkout stands.
    pub checkout: Checkout,
    /// A refund is under way.
    pub refunding: bool,
}

/// How a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkout {
    /// Somebody carries it, or will soon.
    UnderWay,
    /// Nobody tries any more.
    Parked,
    /// A lease ended long ago, and nobody took it over.
    Abandoned,
    /// Nothing is left to do.
    Done,
}

impl OnRecord {
    /// Nobody has to pay for it any more.
    pub(super) fn came_to_nothing(&self) -> bool {
        matches!(self.status, OrderStatus::Declined | OrderStatus::Cancelled)
    }
}

/// What does not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An order is paid, and the provider took no money for it.
    PaidNotCaptured,
    /// Money was taken for an order that came to nothing.
    CapturedNotPaid,
    /// Money is set aside for an order that came to nothing.
    AuthorisedNotPaid,
    /// The provider took another amount.
    AmountDiffers,
    /// The provider gave back another amount.
    RefundsDiffer,
    /// Money was taken, or is set aside, for an order that this shop does not have.
    UnknownOrder,
    /// A checkout was left to an operator.
    Parked,
    /// A checkout that nobody takes up.
    Abandoned,
    /// An order is pending, and no checkout carries it.
    PendingWithoutCheckout,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::PaidNotCaptured,
        Self::CapturedNotPaid,
        Self::AuthorisedNotPaid,
        Self::AmountDiffers,
        Self::RefundsDiffer,
        Self::UnknownOrder,
        Self::Parked,
        Self::Abandoned,
        Self::PendingWithoutCheckout,
    ];

    /// Its name, as a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaidNotCaptured => "paid_not_captured",
            Self::CapturedNotPaid => "captured_not_paid",
            Self::AuthorisedNotPaid => "authorised_not_paid",
            Self::AmountDiffers => "amount_differs",
            Self::RefundsDiffer => "refunds_differ",
            Self::UnknownOrder => "unknown_order",
            Self::Parked => "parked",
            Self::Abandoned => "abandoned",
            Self::PendingWithoutCheckout => "pending_without_checkout",
        }
    }

    /// What would mend it, for whoever reads the audit.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::PaidNotCaptured => {
                "look at the payment with the provider; refund the order if it is gone"
            }
            Self::CapturedNotPaid => "give the money back with the provider",
            Self::AuthorisedNotPaid => "void it: --mend does",
            Self::AmountDiffers => "compare order and payment with the provider",
            Self::RefundsDiffer => {
                "a refund was made past this shop: note it, or give back the rest"
            }
            Self::UnknownOrder => {
                "another shop on the same account, or a database that was restored"
            }
            Self::Parked => "have it tried again: --mend does, or dead-letters replay",
            Self::Abandoned => "run a checkout resumer: stampede work checkout-resumer",
            Self::PendingWithoutCheckout => "look at the order: stampede orders show",
        }
    }
}

/// One thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub kind: Kind,
    /// Of which order.
    pub order: OrderId,
    /// With whom.
    pub provider: String,
    /// The figures.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, order, provider, detail } = self;
        write!(f, "{} {order} ({provider}): {detail}", kind.as_str())
    }
}

/// Everything in which the orders of a provider and its book differ. What is under way is left out:
/// it is expected to differ.
#[must_use]
pub fn differences(provider: &str, orders: &[OnRecord], book: &[Booked]) -> Vec<Difference> {
    let mut booked: HashMap<OrderId, Vec<&Booked>> = HashMap::new();
    for entry in book {
        if let Some(order) = entry.order {
            booked.entry(order).or_default().push(entry);
        }
    }
    let mut found = Vec::new();
    for order in orders.iter().filter(|order| order.provider == provider) {
        let entries = booked.remove(&order.order).unwrap_or_default();
        found.extend(of_order(order, &entries));
    }
    for (order, entries) in booked {
        for entry in entries.into_iter().filter(|entry| blocks(&entry.charge)) {
            let detail = format!("{:?} of {}, no such order", entry.charge, entry.amount);
            found.push(Difference {
                kind: Kind::UnknownOrder,
                order,
                provider: provider.to_owned(),
                detail,
            });
        }
    }
    found.sort_by_key(|difference| (difference.kind, difference.order));
    found
}

fn of_order(order: &OnRecord, entries: &[&Booked]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differs = |kind: Kind, detail: String| {
        let (order, provider) = (order.order, order.provider.clone());
        found.push(Difference { kind, order, provider, detail });
    };
    let stands = format!("{} of {}", order.status.as_str(), order.total);
    match order.checkout {
        Checkout::Parked => differs(Kind::Parked, stands),
        Checkout::Abandoned => differs(Kind::Abandoned, stands),
        Checkout::UnderWay | Checkout::Done => {}
    }
    if order.checkout != Checkout::Done || order.refunding {
        return found;
    }
    let captured: Vec<_> =
        entries.iter().filter(|entry| entry.charge == Charge::Captured).collect();
    match order.status {
        OrderStatus::Pending => {
            differs(Kind::PendingWithoutCheckout, format!("of {}", order.total));
        }
        OrderStatus::Paid | OrderStatus::Refunded => {
            let Some(first) = captured.first() else {
                if order.total.amount > 0 {
                    differs(Kind::PaidNotCaptured, format!("{} was not taken", order.total));
                }
                return found;
            };
            if captured.len() > 1 || first.amount != order.total {
                let taken: Vec<_> = captured.iter().map(|entry| entry.amount.to_string()).collect();
                let detail = format!("{} was taken for {}", taken.join(" and "), order.total);
                differs(Kind::AmountDiffers, detail);
            }
            let back: i64 = captured.iter().map(|entry| entry.refunded).sum();
            if back != order.refunded {
                let minor = |amount| Money { amount, currency: order.total.currency };
                let detail = format!(
                    "{} was given back, on record is {}",
                    minor(back),
                    minor(order.refunded)
                );
                differs(Kind::RefundsDiffer, detail);
            }
        }
        OrderStatus::Declined | OrderStatus::Cancelled => {
            // what was taken and wholly given back is no money of anybody's
            for entry in captured.iter().filter(|entry| entry.refunded < entry.amount.amount) {
                let detail =
                    format!("{} for an order that is {}", entry.amount, order.status.as_str());
                differs(Kind::CapturedNotPaid, detail);
            }
        }
    }
    for entry in entries {
        if matches!(entry.charge, Charge::Authorised) {
            let detail = format!("{} for an order that is {}", entry.amount, order.status.as_str());
            differs(Kind::AuthorisedNotPaid, detail);
        }
    }
    found
}

/// Whether somebody's money is taken or set aside.
fn blocks(charge: &Charge) -> bool {
    matches!(charge, Charge::Authorised | Charge::Captured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{clock::from_millis, ids::Ids};

    fn paid() -> (OnRecord, Booked) {
        let order = Ids::random().order();
        let total = Money { amount: 1_000, currency: "EUR".parse().unwrap() };
        let on_record = OnRecord {
            order,
            sale: "run".parse().unwrap(),
            status: OrderStatus::Paid,
            total,
            refunded: 0,
            provider: "sandbox".to_owned(),
            reference: None,
            method: "card_ok".to_owned(),
            checkout: Checkout::Done,
            refunding: false,
        };
        let booked = Booked {
            reference: order.to_string(),
            order: Some(order),
            charge: Charge::Captured,
            amount: total,
            refunded: 0,
            begun_at: from_millis(0),
        };
        (on_record, booked)
    }

    fn kinds(change: impl FnOnce(&mut OnRecord, &mut Booked)) -> Vec<Kind> {
        let (mut order, mut booked) = paid();
        change(&mut order, &mut booked);
        let found = differences("sandbox", &[order], &[booked]);
        found.into_iter().map(|difference| difference.kind).collect()
    }

    #[test]
    fn what_agrees_or_is_under_way_is_no_difference() {
        assert_eq!(kinds(|_, _| {}), []);
        assert_eq!(
            kinds(|order, _| (order.status, order.checkout) =
                (OrderStatus::Pending, Checkout::UnderWay)),
            []
        );
        assert_eq!(kinds(|order, booked| (order.refunding, booked.refunded) = (true, 5)), []);
        assert_eq!(kinds(|order, booked| (order.refunded, booked.refunded) = (5, 5)), []);
        let declined = |order: &mut OnRecord, booked: &mut Booked| {
            (order.status, booked.charge) = (OrderStatus::Declined, Charge::Voided);
        };
        assert_eq!(kinds(declined), []);
        // an order of nothing is never charged
        let (mut free, _) = paid();
        free.total.amount = 0;
        assert_eq!(differences("sandbox", &[free], &[]), []);
    }

    #[test]
    fn every_disagreement_has_a_name() {
        assert_eq!(kinds(|_, booked| booked.charge = Charge::Voided), [Kind::PaidNotCaptured]);
        assert_eq!(
            kinds(|order, _| order.status = OrderStatus::Cancelled),
            [Kind::CapturedNotPaid]
        );
        let blocked = |order: &mut OnRecord, booked: &mut Booked| {
            (order.status, booked.charge) = (OrderStatus::Declined, Charge::Authorised);
        };
        assert_eq!(kinds(blocked), [Kind::AuthorisedNotPaid]);
        assert_eq!(kinds(|_, booked| booked.amount.amount = 999), [Kind::AmountDiffers]);
        assert_eq!(
            kinds(|_, booked| booked.amount.currency = "USD".parse().unwrap()),
            [Kind::AmountDiffers]
        );
        assert_eq!(kinds(|_, booked| booked.refunded = 1), [Kind::RefundsDiffer]);
        assert_eq!(
            kinds(|order, _| order.status = OrderStatus::Pending),
            [Kind::PendingWithoutCheckout]
        );
        assert_eq!(kinds(|order, _| order.checkout = Checkout::Parked), [Kind::Parked]);
        assert_eq!(kinds(|order, _| order.checkout = Checkout::Abandoned), [Kind::Abandoned]);
        let (_, stranger) = paid();
        let found = differences("sandbox", &[], &[stranger]);
        assert_eq!(found.first().map(|difference| difference.kind), Some(Kind::UnknownOrder));
        // charged twice
        let (order, booked) = paid();
        let found = differences("sandbox", &[order], &[booked.clone(), booked]);
        assert_eq!(found.first().map(|difference| difference.kind), Some(Kind::AmountDiffers));
    }
}
