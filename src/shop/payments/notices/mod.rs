//! What a provider tells us by itself: stored first, handled after.
//!
//! A notice is never believed beyond the order that it names: whatever it says, the provider is
//! asked how the payment stands. So it does not matter in which order notices come, how often, or
//! whether the shopper is back from his bank before them.

pub mod store;

use crate::kernel::{clock::Timestamp, ids::OrderId};

/// A notice, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who sent it.
    pub provider: &'static str,
    /// The provider's own id of it.
    pub id: String,
    /// The provider's word for what happened.
    pub kind: String,
    /// The order that it names.
    pub order: Option<OrderId>,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A notice that waits to be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Who sent it.
    pub provider: String,
    /// The provider's own id of it.
    pub id: String,
    /// The provider's word for what happened.
    pub kind: String,
    /// The order that it names.
    pub order: Option<OrderId>,
    /// Its bytes.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
    /// How often it came to nothing.
    pub tries: i32,
}
