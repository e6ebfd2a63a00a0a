//! What is said between the shop and a provider.

use std::str::FromStr;

use thiserror::Error;

use crate::kernel::{
    clock::Timestamp,
    ids::{OrderId, RefundId, SaleSlug},
    money::Money,
};

/// How a shopper pays, in the provider's own words: `card_ok` in the sandbox, an id of Stripe's.
/// 1 to 200 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(pub(super) String);

/// Not a way to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {expected}")]
pub struct UnknownMethod {
    /// What would be taken.
    pub expected: &'static str,
}

impl Method {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;
    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let sound = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnknownMethod { expected: "1 to 200 visible characters" })
        }
    }
}

/// A total that a provider cannot charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TotalRefused {
    /// Less than it takes.
    #[error("less than the smallest amount that can be charged, {0}")]
    TooSmall(Money),
    /// More than it takes, or not in its units.
    #[error("an amount that cannot be charged")]
    NotChargeable,
}

/// A payment to be made, or made: the same words whenever it is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// What is paid, and the key under which it is.
    pub order: OrderId,
    /// For the provider's books.
    pub sale: SaleSlug,
    /// How much.
    pub amount: Money,
    /// How.
    pub method: Method,
    /// The provider's own name for it, once it was prepared.
    pub reference: Option<String>,
}

/// What came of an authorisation or of a question for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// The provider knows no such key, or was not asked to charge yet. That is no refusal: the
    /// request may still be on its way.
    Unknown,
    /// It was asked for; the outcome is not known yet.
    Pending,
    /// The bank wants to see the shopper, at this address.
    ActionNeeded(String),
    /// The money is set aside.
    Authorised,
    /// Refused. The reason is a word for the order, such as `card_declined`.
    Declined(&'static str),
    /// The money was taken.
    Captured,
    /// Cancelled: under this key nothing will ever be charged.
    Voided,
}

/// Money to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refund {
    /// Its own id, and the key under which it is given back.
    pub id: RefundId,
    /// How much.
    pub amount: Money,
}

/// What came of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refunded {
    /// It is given back, or surely will be.
    Done,
    /// Not known yet.
    Pending,
    /// Refused for good, with the provider's reason: nothing was given back.
    Refused(String),
}

/// A payment as the provider's book has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// The provider's own name for it.
    pub reference: String,
    /// The order that it says it is for.
    pub order: Option<OrderId>,
    /// How it stands.
    pub charge: Charge,
    /// What was asked for.
    pub amount: Money,
    /// What was given back of it.
    pub refunded: i64,
    /// When it was begun.
    pub begun_at: Timestamp,
}
