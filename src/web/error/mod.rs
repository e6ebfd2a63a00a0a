//! What is told to a caller when something cannot be done: problem details of RFC 9457.
//!
//! This is the only place that knows status codes. Every public error is a row of [`Code`]; the
//! `OpenAPI` document lists the same rows. What is the server's fault explains nothing: its cause
//! goes to the log, once, and never to the caller.

mod code;
mod rooms;

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;

pub use self::code::Code;
use crate::kernel::{clock::Timestamp, ids::OrderId};

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// Its name, with dots between levels.
    #[schema(example = "shipping.city")]
    pub field: String,
    /// What is expected of it.
    #[schema(example = "is missing")]
    pub detail: Cow<'static, str>,
}

/// What some errors say besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum More {
    #[default]
    Nothing,
    Available(i64),
    StartsAt(Timestamp),
    Fields(Vec<Fault>),
    Order(OrderId),
    Allow(String),
}

/// One error on its way to a caller.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    more: More,
    /// For the log only.
    cause: Option<anyhow::Error>,
}

impl Problem {
    /// An error with a sentence for people.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, more: More::Nothing, cause: None }
    }

    /// There is no `what`.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// Fields with the wrong shape or value.
    #[must_use]
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = faults.first().map_or(Cow::Borrowed("The request is not valid."), |fault| {
            Cow::Owned(format!("{} {}.", fault.field, fault.detail))
        });
        Self { more: More::Fields(faults), ..Self::new(Code::Invalid, detail) }
    }

    /// Another verb was meant; `allow` is the list of those that work.
    #[must_use]
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("This URL takes {allow}.");
        Self { more: More::Allow(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// Fewer than asked for: `available` units.
    #[must_use]
    pub fn sold_out(available: i64) -> Self {
        let detail = match available {
            ..=0 => Cow::Borrowed("Nothing of it is available at the moment."),
            1 => Cow::Borrowed("Only one is available at the moment."),
            n => Cow::Owned(format!("Only {n} are available at the moment.")),
        };
        Self { more: More::Available(available.max(0)), ..Self::new(Code::SoldOut, detail) }
    }

    /// The sale begins later.
    #[must_use]
    pub fn not_started(starts_at: Timestamp) -> Self {
        let problem = Self::new(Code::SaleNotStarted, "The sale has not started yet.");
        Self { more: More::StartsAt(starts_at), ..problem }
    }

    /// The payment of `order` was refused.
    #[must_use]
    pub fn declined(order: OrderId) -> Self {
        let detail = "Nothing was charged, and the cart is still yours until it runs out.";
        Self { more: More::Order(order), ..Self::new(Code::PaymentDeclined, detail) }
    }

    /// Nothing is promised; the same request may be sent again after `pause`.
    #[must_use]
    pub fn unavailable(pause: Duration) -> Self {
        Self::new(
            Code::Unavailable,
            "We are not ready just now: the same request may be sent again.",
        )
        .retry_after(pause)
    }

    /// A fault of ours, whose cause is for the log only.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::new(Code::Internal, "This is our fault. It was written down.").because(cause)
    }

    /// With the pause after which the same request may be sent again.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// With a cause for the log.
    #[must_use]
    pub fn because(self, cause: impl Into<anyhow::Error>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The same error for another caller. The cause stays with the first, to be logged once.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            code: self.code,
            detail: self.detail.clone(),
            retry_after: self.retry_after,
            more: self.more.clone(),
            cause: None,
        }
    }

    /// Which error it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The fields at fault.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        if let More::Fields(faults) = &self.more { faults } else { &[] }
    }

    /// Whole seconds to wait before the same request is sent again, at least one.
    #[must_use]
    pub fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(|pause| pause.as_secs().saturating_add(1).clamp(1, 3600))
    }

    /// Writes the cause down. Called once, at the boundary, inside the request's span.
    pub fn log(&self) {
        if let Some(cause) = self.cause.as_ref().map(|cause| format!("{cause:#}")) {
            if self.code == Code::Internal {
                tracing::error!(cause, "request failed");
            } else {
                tracing::warn!(cause, "request put off");
            }
        }
    }

    /// A reply of this error's status and headers, its body still to be chosen.
    #[must_use]
    pub fn reply(&self, content_type: &'static str, body: String) -> HttpResponse {
        let mut reply = HttpResponse::new(self.code.status()).set_body(BoxBody::new(body));
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let More::Allow(allow) = &self.more
            && let Ok(allow) = HeaderValue::try_from(allow)
        {
            headers.insert(header::ALLOW, allow);
        }
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let body = serde_json::to_string(&ProblemDetails::from(self)).unwrap_or_default();
        self.reply("application/problem+json", body)
    }
}

/// The body of every error reply, `application/problem+json`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDetails<'a> {
    /// A name for the kind of problem; not an address.
    #[serde(rename = "type")]
    #[schema(example = "urn:stampede:problem:sold_out")]
    kind: String,
    /// A short heading, the same for every problem of a kind.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 409, minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence about this occurrence, for people.
    detail: &'a str,
    /// The stable name to decide by.
    #[schema(example = "sold_out")]
    code: &'static str,
    /// Seconds after which the same request may be sent again; also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// With `sold_out`: units available at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<i64>,
    /// With `sale_not_started`: when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// With `payment_declined`: the order that was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    order: Option<OrderId>,
    /// With `invalid_request`: the fields at fault.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    fields: &'a [Fault],
}

impl<'a> From<&'a Problem> for ProblemDetails<'a> {
    fn from(problem: &'a Problem) -> Self {
        let more = &problem.more;
        Self {
            kind: format!("urn:stampede:problem:{}", problem.code.name()),
            title: problem.code.title(),
            status: problem.code.status().as_u16(),
            detail: &problem.detail,
            code: problem.code.name(),
            retry_after: problem.retry_seconds(),
            available: if let More::Available(n) = more { Some(*n) } else { None },
            starts_at: if let More::StartsAt(at) = more { Some(*at) } else { None },
            order: if let More::Order(order) = more { Some(*order) } else { None },
            fields: problem.faults(),
        }
    }
}
