//! The settings of events: their relay and their consumers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Events on their way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// How often the outbox is looked at although nobody woke the relay.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// Events that are published, confirmed and removed together.
    pub bite: u16,
    /// Events that a consumer takes over in one transaction.
    pub batch: u16,
    /// How long a new queue has to last before events are routed to it.
    #[serde(with = "humantime_serde")]
    pub queue_settle: Duration,
    /// Names of the consumers that this process runs, separated by commas; none are all.
    pub consumers: String,
}

impl Events {
    /// The consumers by name; empty for all.
    pub fn consumers(&self) -> impl Iterator<Item = &str> {
        self.consumers.split(',').map(str::trim).filter(|name| !name.is_empty())
    }
}
