//! Why a purchase has no answer about an order.

use thiserror::Error;

use super::Refusal;
use crate::shop::{
    orders,
    payments::{TotalRefused, UnknownMethod},
};

/// Why a purchase was refused, or could not be looked into.
#[derive(Debug, Error)]
pub enum CheckoutError {
    /// The key was used with another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// Another checkout of this cart is under way, or this very one.
    #[error("a checkout of this cart is under way")]
    CheckoutInProgress,
    /// There is nothing in the cart.
    #[error("the cart is empty")]
    CartEmpty,
    /// The cart was not paid within the hold.
    #[error("the cart ran out")]
    HoldExpired,
    /// The cart is not the one that the shopper saw.
    #[error("the cart has changed")]
    CartChanged,
    /// The provider knows no such way to pay.
    #[error(transparent)]
    Method(#[from] UnknownMethod),
    /// The provider cannot charge the total.
    #[error(transparent)]
    Total(#[from] TotalRefused),
    /// No order may come to so much.
    #[error("the total is too large")]
    TotalTooLarge,
    /// Something that is needed is away. Nothing is promised; the same request may be repeated,
    /// under the same key.
    #[error("checkout is not possible at the moment")]
    Unavailable(#[source] anyhow::Error),
    /// What should not be.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<Refusal> for CheckoutError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::CartEmpty => Self::CartEmpty,
            Refusal::HoldExpired => Self::HoldExpired,
            Refusal::CartChanged => Self::CartChanged,
            Refusal::InProgress => Self::CheckoutInProgress,
        }
    }
}

impl From<sqlx::Error> for CheckoutError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refused)
                if refused.constraint() == Some(orders::store::KEY_TAKEN) =>
            {
                Self::CheckoutInProgress
            }
            // Data and statements at fault; any other refusal is one of the server's state.
            sqlx::Error::Database(refused)
                if refused
                    .code()
                    .is_some_and(|code| ["22", "23", "42"].iter().any(|c| code.starts_with(c))) =>
            {
                Self::Unexpected(error.into())
            }
            sqlx::Error::Database(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.into()),
            _ => Self::Unexpected(error.into()),
        }
    }
}
