//! Why money is not given back.

use thiserror::Error;

use crate::{kernel::ids::Sku, shop::orders::OrderStatus};

/// Why a refund was not begun.
#[derive(Debug, Error)]
pub enum RefundError {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// Nothing was paid.
    #[error("the order is {}: nothing was paid", .0.as_str())]
    NotPaid(OrderStatus),
    /// All of it was given back, or is about to be.
    #[error("nothing is left to give back")]
    NothingLeft,
    /// The order has no such line.
    #[error("the order has no {0}")]
    NotOrdered(Sku),
    /// More than can be given back.
    #[error("only {left} of {sku} can be given back")]
    TooMany {
        /// Of what.
        sku: Sku,
        /// How many can.
        left: i64,
    },
    /// Something that is needed is away, or should not be.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<sqlx::Error> for RefundError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unexpected(error.into())
    }
}
