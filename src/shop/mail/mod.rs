//! Mails to send, and that they were sent.
//!
//! Owns the table `mails`. A row says what a mail tells of and nothing else: whom it goes to and what
//! it says is made of the order when it is sent, so no address is copied, and a mail that waited says
//! what is true by then. There is one row for each kind and event, however often the event comes.
//! A row is in one owner's hands at a time, for the length of his lease; an owner who died on the way
//! leaves it to the next, who sends the same letter under the same `Message-ID`.

pub mod store;

use uuid::Uuid;

use crate::kernel::{
    clock::Timestamp,
    ids::{EndpointId, OrderId},
};

/// What a mail tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The order is paid.
    OrderPaid(OrderId),
    /// The order came to nothing, and nothing was charged.
    PaymentFailed(OrderId),
    /// So many minor units of the order's currency were given back.
    OrderRefunded(OrderId, i64),
    /// An endpoint is not sent events any more.
    EndpointDisabled(EndpointId),
}

impl Topic {
    /// Every topic's name.
    pub const KINDS: [&'static str; 4] =
        ["order-paid", "payment-failed", "order-refunded", "endpoint-disabled"];

    /// Its name.
    #[must_use]
    pub fn kind(self) -> &'static str {
        let [paid, failed, refunded, disabled] = Self::KINDS;
        match self {
            Self::OrderPaid(_) => paid,
            Self::PaymentFailed(_) => failed,
            Self::OrderRefunded(..) => refunded,
            Self::EndpointDisabled(_) => disabled,
        }
    }

    fn order(self) -> Option<OrderId> {
        match self {
            Self::OrderPaid(order) | Self::PaymentFailed(order) | Self::OrderRefunded(order, _) => {
                Some(order)
            }
            Self::EndpointDisabled(_) => None,
        }
    }

    fn amount(self) -> Option<i64> {
        if let Self::OrderRefunded(_, amount) = self { Some(amount) } else { None }
    }

    fn endpoint(self) -> Option<EndpointId> {
        if let Self::EndpointDisabled(endpoint) = self { Some(endpoint) } else { None }
    }
}

/// A mail in the hands of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mail {
    /// Names it, for ever.
    pub id: Uuid,
    /// What it tells of.
    pub topic: Topic,
    /// Who owns it: every owner has an attempt of his own.
    pub attempt: i32,
    /// How often it has failed.
    pub failures: i32,
}

/// What waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Mails.
    pub waiting: i64,
    /// When the oldest of them was asked for.
    pub oldest: Option<Timestamp>,
}
