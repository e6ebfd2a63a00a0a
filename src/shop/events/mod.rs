//! What happened, for whoever wants to know: the vocabulary of events, and their envelope.
//!
//! An event says how things stand after what happened, not by how much they changed: taken over
//! twice, or twice in another order, it does no harm. It names people by their ids alone; a reader
//! that needs an address has access to the orders.
//!
//! **Compatibility.** The version is part of the type (`order.paid.v1`). Within a version fields are
//! only added, and a reader passes over what it does not know: a newer minor version is read as the
//! older one. What would change a meaning, or take a field away, is a new version, with a type of its
//! own; until the last reader has moved, the writer appends both. What is published by now stands as
//! JSON Schemas in `schemas/` and as examples in `tests/events/golden/`; a test holds on to each.

mod consumer;
pub mod exchange;
mod fact;
pub mod schema;
pub mod store;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

pub use consumer::{Consumer, Fault};
pub use exchange::EventExchange;
pub use fact::{Fact, OrderFact, OrderFactLine, PhaseFact, RefundFact, StockFact};

use crate::kernel::clock::Timestamp;

/// The name of this shop as a source of events.
const SOURCE: &str = "/stampede";

/// Something that happened. In JSON it has the attributes of `CloudEvents` 1.0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `1.0`, or a later 1.
    specversion: SpecVersion,
    /// Its own id, the same however often it is delivered.
    pub id: Uuid,
    /// Who tells of it.
    source: String,
    /// What it is about, such as an order's id.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// What happened: the attributes `type` and `data`.
    #[serde(flatten)]
    pub fact: Fact,
}

/// The version of `CloudEvents`: 1.0 is written, and any 1 is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SpecVersion;

impl Serialize for SpecVersion {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("1.0")
    }
}

impl<'de> Deserialize<'de> for SpecVersion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let version = String::deserialize(from)?;
        if version.starts_with("1.") {
            Ok(Self)
        } else {
            Err(de::Error::custom(format_args!("CloudEvents {version} is not known")))
        }
    }
}

impl Event {
    /// An event with an id of its own.
    #[must_use]
    pub fn new(id: Uuid, time: Timestamp, fact: Fact) -> Self {
        let (source, subject) = (SOURCE.to_owned(), fact.subject());
        Self { specversion: SpecVersion, id, source, subject, time, fact }
    }

    /// Its type, which is also what it is routed by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.fact.kind()
    }
}
