//! The table of public errors: name, status, title.

use actix_web::http::StatusCode;

/// The stable name of an error, as the field `code` carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request cannot be read: not JSON, a header missing.
    Malformed,
    /// The request was read, but a field has the wrong shape or value.
    Invalid,
    /// No token, or none of ours.
    Unauthorized,
    /// The payment was refused.
    PaymentDeclined,
    /// Not from there: a form that another site posts.
    Forbidden,
    /// The sale has not begun.
    SaleNotStarted,
    /// The sale is over.
    SaleEnded,
    /// There is no such thing, or it is not the caller's.
    NotFound,
    /// There is such a thing, but not for this verb.
    MethodNotAllowed,
    /// Fewer units are available than were asked for.
    SoldOut,
    /// More than one shopper may have.
    LimitReached,
    /// The cart ran out.
    HoldExpired,
    /// There is nothing to buy.
    CartEmpty,
    /// The cart is not the one that the shopper saw.
    CartChanged,
    /// The cart is just being bought.
    CheckoutInProgress,
    /// The body is too large.
    TooLarge,
    /// The body is of another type than this URL takes.
    UnsupportedMediaType,
    /// Too many requests. Given by the proxy in front; named here so that clients know it.
    RateLimited,
    /// The sale takes nothing for a while.
    SalePaused,
    /// Not now; the same request may be repeated.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every error there is.
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unauthorized,
        Self::PaymentDeclined,
        Self::Forbidden,
        Self::SaleNotStarted,
        Self::SaleEnded,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::SoldOut,
        Self::LimitReached,
        Self::HoldExpired,
        Self::CartEmpty,
        Self::CartChanged,
        Self::CheckoutInProgress,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::SalePaused,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The table: name, status, title.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Malformed => ("invalid_request", StatusCode::BAD_REQUEST, "Unreadable request"),
            Self::Invalid => {
                ("invalid_request", StatusCode::UNPROCESSABLE_ENTITY, "Invalid request")
            }
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "Who are you?"),
            Self::PaymentDeclined => {
                ("payment_declined", StatusCode::PAYMENT_REQUIRED, "Payment declined")
            }
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Forbidden"),
            Self::SaleNotStarted => {
                ("sale_not_started", StatusCode::FORBIDDEN, "The sale has not started")
            }
            Self::SaleEnded => ("sale_ended", StatusCode::FORBIDDEN, "The sale is over"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::SoldOut => ("sold_out", StatusCode::CONFLICT, "Sold out"),
            Self::LimitReached => ("limit_reached", StatusCode::CONFLICT, "Limit reached"),
            Self::HoldExpired => ("hold_expired", StatusCode::CONFLICT, "The cart ran out"),
            Self::CartEmpty => ("cart_empty", StatusCode::CONFLICT, "The cart is empty"),
            Self::CartChanged => ("cart_changed", StatusCode::CONFLICT, "The cart has changed"),
            Self::CheckoutInProgress => {
                ("checkout_in_progress", StatusCode::CONFLICT, "A checkout is under way")
            }
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
            ),
            Self::RateLimited => {
                ("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests")
            }
            Self::SalePaused => {
                ("sale_paused", StatusCode::SERVICE_UNAVAILABLE, "The sale is paused")
            }
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "One moment"),
            Self::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong")
            }
        }
    }

    /// The name that clients rely on.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The status it is sent with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// A short heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().2
    }
}
