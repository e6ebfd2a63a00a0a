//! What a checkout is while it is under way.

use crate::{
    kernel::{
        clock::Timestamp,
        ids::{Bucket, OrderId, SaleId, ShopperId, Sku},
        line::CartLine,
        money::Money,
        quantity::Quantity,
        version::Epoch,
    },
    platform::lease::Lease,
    shop::{
        inventory::Freeze,
        orders::{OrderLine, OrderStatus},
        payments::{Method, Payment},
    },
};

/// What is about to be done: written down before it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Freeze the cart.
    Begin,
    /// Make the payment known to a provider that wants that first.
    Prepare,
    /// Set the money aside.
    Authorise,
    /// Turn what is held into what is bought.
    Settle,
    /// Take the money.
    Capture,
    /// Let the cart of a paid order go.
    Finish,
    /// Cancel the payment.
    Void,
    /// Let the cart of an order that came to nothing go.
    Abort,
    /// Nothing is left to do.
    Done,
}

impl Step {
    /// Every step, those forward first.
    pub const ALL: [Self; 9] = [
        Self::Begin,
        Self::Prepare,
        Self::Authorise,
        Self::Settle,
        Self::Capture,
        Self::Finish,
        Self::Void,
        Self::Abort,
        Self::Done,
    ];

    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Prepare => "prepare",
            Self::Authorise => "authorise",
            Self::Settle => "settle",
            Self::Capture => "capture",
            Self::Finish => "finish",
            Self::Void => "void",
            Self::Abort => "abort",
            Self::Done => "done",
        }
    }

    /// Up to here, whoever wants the order to come to nothing is heard: no money was taken yet.
    pub(super) fn may_turn_back(self) -> bool {
        matches!(self, Self::Begin | Self::Prepare | Self::Authorise | Self::Settle | Self::Capture)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }
}

/// Why a cart cannot be bought: also the reason of an order that was cancelled for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing in it.
    CartEmpty,
    /// It was not paid within the hold.
    HoldExpired,
    /// It is not the cart that the shopper saw.
    CartChanged,
    /// Another checkout of the same cart is under way, or one under the same key.
    InProgress,
}

impl Refusal {
    /// The order's reason, which is also the code in the interface.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::CartEmpty => "cart_empty",
            Self::HoldExpired => "hold_expired",
            Self::CartChanged => "cart_changed",
            Self::InProgress => "checkout_in_progress",
        }
    }

    pub(super) fn parse(reason: &str) -> Option<Self> {
        [Self::CartEmpty, Self::HoldExpired, Self::CartChanged, Self::InProgress]
            .into_iter()
            .find(|refusal| refusal.as_str() == reason)
    }
}

/// What an undone checkout ends as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: OrderStatus,
    pub(super) reason: String,
}

impl Ending {
    /// The reason of an order that the merchant cancelled before it was paid.
    pub(super) const BY_MERCHANT: &str = "cancelled_by_merchant";
    /// The reason of an order whose payment came to no end in time.
    pub(super) const TIMEOUT: &str = "payment_timeout";

    pub(super) fn by_merchant() -> Self {
        Self { status: OrderStatus::Cancelled, reason: Self::BY_MERCHANT.to_owned() }
    }

    /// Whether it is told: a cart that could not even be frozen was no order to anybody.
    pub(super) fn is_news(&self) -> bool {
        let quiet = [Refusal::CartEmpty, Refusal::CartChanged, Refusal::InProgress];
        !quiet.iter().any(|refusal| refusal.as_str() == self.reason)
    }

    pub(super) fn declined(reason: &str) -> Self {
        Self { status: OrderStatus::Declined, reason: reason.to_owned() }
    }

    pub(super) fn cancelled(refusal: Refusal) -> Self {
        Self { status: OrderStatus::Cancelled, reason: refusal.as_str().to_owned() }
    }
}

/// A checkout in the hands of an owner.
#[derive(Debug, Clone)]
pub(super) struct Saga {
    pub(super) order: OrderId,
    pub(super) sale: SaleId,
    pub(super) bucket: Bucket,
    pub(super) shopper: ShopperId,
    pub(super) step: Step,
    /// Who owns it: every owner has an attempt of his own.
    pub(super) attempt: i32,
    pub(super) lease: Lease,
    /// In a row at this step, that came to nothing.
    pub(super) tries: i32,
    /// The merchant wants it to come to nothing.
    pub(super) cancelled: bool,
    pub(super) provider: String,
    pub(super) method: Method,
    /// The provider's own name for the payment.
    pub(super) reference: Option<String>,
    pub(super) total: Money,
    pub(super) lines: Vec<OrderLine>,
    pub(super) created_at: Timestamp,
    /// Set once it is being undone.
    pub(super) ending: Option<Ending>,
    /// The zero lines of this owner's settle, with their versions. Not on record.
    pub(super) settled: Option<Vec<CartLine>>,
}

impl Saga {
    /// The attempt of whoever made the order.
    pub(super) const FIRST_ATTEMPT: i32 = 1;

    /// Nothing to charge: no provider is asked about an amount of nothing.
    pub(super) fn is_free(&self) -> bool {
        self.total.amount == 0
    }

    /// What is to be bought.
    pub(super) fn wanted(&self) -> Vec<(Sku, Quantity)> {
        self.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect()
    }

    /// As the provider knows it.
    pub(super) fn payment(&self) -> Payment {
        Payment {
            order: self.order,
            sale: self.bucket.sale.clone(),
            amount: self.total,
            method: self.method.clone(),
            reference: self.reference.clone(),
        }
    }

    /// As the stock knows it.
    pub(super) fn freeze(&self) -> Freeze {
        Freeze { shopper: self.shopper, order: self.order, attempt: self.attempt }
    }
}

/// What a step did.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) next: Step,
    /// The epoch in which the stock was asked: the record counts only if it is still that one.
    pub(super) ran_in: Option<Epoch>,
    pub(super) record: Record,
}

impl Turn {
    pub(super) fn to(next: Step, record: Record) -> Self {
        Self { next, ran_in: None, record }
    }

    pub(super) fn within(epoch: Epoch, next: Step, record: Record) -> Self {
        Self { next, ran_in: Some(epoch), record }
    }
}

/// What is written together with the next step.
#[derive(Debug)]
pub(super) enum Record {
    /// Nothing.
    StepAlone,
    /// The provider's own name for the payment.
    Prepared(String),
    /// Nothing, but the owner keeps the zero lines until the order is paid.
    Settled(Vec<CartLine>),
    /// The order is paid, its cart lines are zero.
    Paid(Vec<CartLine>),
    /// What the order will end as.
    Undo(Ending),
    /// The same, for a cart that could not even be frozen: the key tries again.
    Refused(Refusal),
    /// The order ends as recorded before.
    Undone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_refusals_read_back_from_their_names() {
        for step in Step::ALL {
            assert_eq!(Step::parse(step.as_str()), Some(step));
        }
        for refusal in
            [Refusal::CartEmpty, Refusal::HoldExpired, Refusal::CartChanged, Refusal::InProgress]
        {
            assert_eq!(Refusal::parse(refusal.as_str()), Some(refusal));
        }
    }
}
