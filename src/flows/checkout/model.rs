//! What a checkout is while it is under way.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    kernel::{
        ids::{Bucket, OrderId, SaleId, ShopperId, Sku},
        line::CartLine,
        money::Money,
        quantity::Quantity,
        version::Epoch,
    },
    shop::{inventory::Freeze, orders::OrderStatus, payments::sandbox::Method},
};

/// What is about to be done: written down before it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Freeze the cart.
    Begin,
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
    const ALL: [Self; 8] = [
        Self::Begin,
        Self::Authorise,
        Self::Settle,
        Self::Capture,
        Self::Finish,
        Self::Void,
        Self::Abort,
        Self::Done,
    ];

    /// Its name in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Authorise => "authorise",
            Self::Settle => "settle",
            Self::Capture => "capture",
            Self::Finish => "finish",
            Self::Void => "void",
            Self::Abort => "abort",
            Self::Done => "done",
        }
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
    pub(super) method: Method,
    pub(super) total: Money,
    pub(super) wanted: Vec<(Sku, Quantity)>,
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

    /// As the stock knows it.
    pub(super) fn freeze(&self) -> Freeze {
        Freeze { shopper: self.shopper, order: self.order, attempt: self.attempt }
    }
}

/// For how long an owner may count on being the only one. Postgres' clock decides who takes over;
/// this is an owner's own view, which ends sooner, as it was begun before the row was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    ends: Instant,
}

impl Lease {
    /// A lease of `length` from now; to be made before the statement that writes it is sent.
    pub(super) fn of(length: Duration) -> Self {
        Self { ends: Instant::now() + length }
    }

    /// What is left of it.
    pub(super) fn rest(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
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
