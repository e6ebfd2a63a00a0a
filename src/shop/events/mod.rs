//! What happened, for whoever wants to know: the vocabulary of events, and their envelope.
//!
//! An event says how things stand after what happened, not by how much they changed: taken over
//! twice, or twice in another order, it does no harm. It names people by their ids alone; a reader
//! that needs an address has access to the orders.
//!
//! **Compatibility.** The version is part of the type (`order.paid.v1`). Within a version fields are
//! only added, and a reader passes over what it does not know. What would change a meaning, or take
//! a field away, is a new version, and until the last reader has moved both are published.

mod consumer;
mod fact;
pub mod store;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use consumer::{Consumer, Fault};
pub use fact::{Fact, OrderFact, OrderFactLine, PhaseFact, RefundFact, StockFact};

use crate::kernel::clock::Timestamp;

/// The name of this shop as a source of events.
const SOURCE: &str = "/stampede";

/// Something that happened. In JSON it has the attributes of `CloudEvents` 1.0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Always `1.0`.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SpecVersion {
    #[serde(rename = "1.0")]
    One,
}

impl Event {
    /// An event with an id of its own.
    #[must_use]
    pub fn new(id: Uuid, time: Timestamp, fact: Fact) -> Self {
        let (source, subject) = (SOURCE.to_owned(), fact.subject());
        Self { specversion: SpecVersion::One, id, source, subject, time, fact }
    }

    /// Its type, which is also what it is routed by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.fact.kind()
    }
}
