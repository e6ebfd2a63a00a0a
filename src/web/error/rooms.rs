//! What the errors of the rooms and flows are to a caller.

use std::time::Duration;

use super::{Code, Fault, Problem};
use crate::{
    flows::{cart_lines::CartLineError, checkout::CheckoutError},
    shop::{catalog::CatalogError, orders::OrdersError, sales::SalesError},
};

/// When a server that is away is asked for again: about the time of an opening.
const AWAY: Duration = Duration::from_secs(2);

impl Problem {
    /// Something that is needed is away; the cause is for the log.
    pub fn away(cause: impl Into<anyhow::Error>) -> Self {
        Self::unavailable(AWAY).because(cause)
    }
}

impl From<SalesError> for Problem {
    fn from(error: SalesError) -> Self {
        match error {
            SalesError::NotFound => Self::not_found("sale"),
            SalesError::Unavailable(_) => Self::away(error),
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        Self::away(error)
    }
}

impl From<OrdersError> for Problem {
    fn from(error: OrdersError) -> Self {
        match error {
            OrdersError::NotFound => Self::not_found("order"),
            OrdersError::Unavailable(_) => Self::away(error),
        }
    }
}

impl From<CartLineError> for Problem {
    fn from(error: CartLineError) -> Self {
        match error {
            CartLineError::UnknownSku => Self::not_found("SKU in this sale"),
            CartLineError::NotStarted { starts_at } => Self::not_started(starts_at),
            CartLineError::Ended => {
                Self::new(Code::SaleEnded, "The sale is over; what is held may still be bought.")
            }
            CartLineError::Paused => {
                let detail = "Nothing is taken for now; what is held may still be bought.";
                Self::new(Code::SalePaused, detail).retry_after(AWAY)
            }
            CartLineError::SoldOut { available } => Self::sold_out(available),
            CartLineError::LimitReached => {
                Self::new(Code::LimitReached, "That is more than one shopper may have.")
            }
            CartLineError::CheckoutInProgress => under_way(),
            // Counted where it happens: a crowd that is put off is no news for the log.
            CartLineError::Unavailable { retry_after, .. } => Self::unavailable(retry_after),
        }
    }
}

impl From<CheckoutError> for Problem {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::KeyReused => {
                Self::new(Code::Invalid, "The Idempotency-Key was used for another request.")
            }
            CheckoutError::CheckoutInProgress => under_way(),
            CheckoutError::CartEmpty => Self::new(Code::CartEmpty, "There is nothing to buy."),
            CheckoutError::HoldExpired => {
                Self::new(Code::HoldExpired, "The cart was not paid in time.")
            }
            CheckoutError::CartChanged => {
                Self::new(Code::CartChanged, "The cart is not the one that was looked at.")
            }
            CheckoutError::Method(unknown) => Self::invalid(vec![Fault {
                field: "payment.method".to_owned(),
                detail: format!("must be {}", unknown.expected).into(),
            }]),
            CheckoutError::Total(refused) => {
                Self::new(Code::Invalid, format!("The cart comes to {refused}."))
            }
            CheckoutError::TotalTooLarge => {
                Self::new(Code::Invalid, "The cart comes to more than an order may.")
            }
            CheckoutError::Unavailable(cause) => Self::away(cause),
            CheckoutError::Unexpected(cause) => Self::internal(cause),
        }
    }
}

fn under_way() -> Problem {
    Problem::new(Code::CheckoutInProgress, "The cart is just being bought.").retry_after(AWAY)
}
