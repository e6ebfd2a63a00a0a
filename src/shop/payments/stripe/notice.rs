//! What Stripe sends by itself: an event about one of its objects.

use serde::{Deserialize, de};

use super::Stripe;
use crate::{kernel::ids::OrderId, shop::payments::notices::Notice};

/// Kinds that say something of a payment or a refund of ours. Any other is kept and not acted on.
pub const HEEDED: [&str; 10] = [
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
];

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// Another account, connected to ours: never one of our payments.
    #[serde(default)]
    account: Option<String>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    order: Option<String>,
}

/// As Stripe names things: visible ASCII, and not long.
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Reads a notice whose signature was verified. The error says what is missing.
pub fn read(body: &[u8]) -> Result<Notice, serde_json::Error> {
    let event: Event = serde_json::from_slice(body)?;
    for (what, name) in [("id", &event.id), ("type", &event.kind)] {
        if !is_name(name) {
            return Err(de::Error::custom(format_args!("its {what} is no name")));
        }
    }
    let named = event.data.object.metadata.and_then(|metadata| metadata.order);
    let order = named.and_then(|order| order.parse::<OrderId>().ok());
    Ok(Notice {
        provider: Stripe::NAME,
        id: event.id,
        kind: event.kind,
        order: order.filter(|_| event.account.is_none()),
        body: body.to_vec(),
    })
}
