//! Messages that are written in the transaction of what they tell of, and published later: opaque
//! bytes under a routing key.
//!
//! Owns the table `outbox`. What always holds: a row is there from the commit of its fact until
//! the broker has confirmed it, so what happened is told at least once, and what did not happen
//! is never told.
//!
//! Ids are drawn before they are committed, so a row may appear below one that is gone already.
//! Rows are therefore removed by their ids and never by a bound, and there is no cursor.

mod store;
mod wake;

pub use store::{Backlog, Row, append, backlog, next, remove};
pub use wake::{CHANNEL, Outbox};

/// A message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is routed by.
    pub routing_key: String,
    /// What it says.
    pub body: Vec<u8>,
}
