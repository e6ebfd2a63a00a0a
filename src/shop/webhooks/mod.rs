//! Webhooks: merchants' endpoints, and what is on its way to them.
//!
//! Owns the tables `webhook_endpoints` and `webhook_deliveries`; the latter is queue and log in one.
//! A delivery is an event on its way to one endpoint, with an id that stays the same with every try,
//! so that a receiver recognises what he was sent twice. It is in one owner's hands at a time, for
//! the length of his lease. A disabled endpoint is sent nothing: what was waiting for it goes on
//! when it is enabled again, and what happens meanwhile is not kept for it.

mod endpoint;
pub mod log;
pub mod queue;
mod signing;
pub mod store;

pub use endpoint::{Disabled, Endpoint, EndpointUrl, InvalidUrl, MAX_ENDPOINTS, NewEndpoint};
pub use signing::{SigningKey, signature};

use uuid::Uuid;

use crate::kernel::{
    clock::Timestamp,
    ids::{DeliveryId, EndpointId},
};

/// A delivery in the hands of an owner.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names it, for ever.
    pub id: DeliveryId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// Where that is.
    pub url: String,
    /// Signs it, newest first.
    pub keys: Vec<SigningKey>,
    /// The event's type.
    pub kind: String,
    /// The event, as JSON.
    pub body: Vec<u8>,
    /// How often it was taken in hand, this time included.
    pub attempt: i32,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The delivery.
    pub id: Uuid,
    /// The event's type.
    pub kind: String,
    /// The event's id.
    pub event_id: Uuid,
    /// `waiting`, `delivered` or `dead`.
    pub status: String,
    /// Tries so far.
    pub attempt: i32,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was tried last.
    pub tried_at: Option<Timestamp>,
    /// How long the endpoint took then, in milliseconds.
    pub took_ms: Option<i32>,
    /// What the endpoint answered then.
    pub answer: Option<i16>,
    /// Why that was not enough.
    pub last_error: Option<String>,
    /// When it is tried again, while it waits.
    pub next_try_at: Timestamp,
}
