//! `RabbitMQ`: one supervised connection, confirmed publishing, reading streams and queues.
//!
//! The connection is made and made again in the background, with backoff and jitter; every call
//! has a timeout and fails at once while there is no connection. Nothing is declared, bound or
//! consumed again by itself after a reconnect: bindings are the fence of an opening, and one
//! that came back unasked would let an old epoch publish again. So lapin's own recovery stays
//! off, and whoever reads opens its reader again at the offset it knows.

mod connection;
mod pipeline;
mod publisher;
mod queue;
mod stream;
mod topology;

use std::{sync::Arc, time::Duration};

use thiserror::Error;

pub use pipeline::{Outgoing, Piped, Pipeline};
pub use publisher::{PublishError, Publisher};
pub use queue::{Delivered, QueueReader};
pub use stream::{StreamMessage, StreamReader};
pub use topology::StreamLimits;

use crate::platform::config;

/// Why a call failed.
#[derive(Debug, Error)]
pub enum RabbitError {
    /// No connection, or it was lost on the way, or the broker did not answer in time. What the
    /// call asked for may or may not have been done; every call here may be repeated.
    #[error("RabbitMQ is not available: {0}")]
    Unavailable(String),
    /// There is no such exchange or queue. For some seconds after a broker's start this is also
    /// said of streams that are still being opened.
    #[error("RabbitMQ has no such thing: {0}")]
    NotFound(String),
    /// The broker refused, for instance because a stream exists with other arguments.
    #[error("RabbitMQ refused: {0}")]
    Refused(String),
}

impl RabbitError {
    /// The same, with the name of what the call was about.
    #[must_use]
    pub fn about(self, name: &str) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(format!("{name}: {why}")),
            Self::NotFound(why) => Self::NotFound(format!("{name}: {why}")),
            Self::Refused(why) => Self::Refused(format!("{name}: {why}")),
        }
    }
}

/// The connection. Cheap to clone.
#[derive(Clone)]
pub struct Rabbit(Arc<connection::Supervised>);

impl Rabbit {
    /// Begins to connect, in the background of the present tokio runtime, and goes on for ever.
    pub fn start(config: &config::Rabbit) -> Result<Self, RabbitError> {
        connection::Supervised::start(config).map(Arc::new).map(Self)
    }

    /// Whether there is a connection on which the broker takes messages.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Waits for a connection, for `within` at most.
    pub async fn wait_connected(&self, within: Duration) -> Result<(), RabbitError> {
        self.0.wait_connected(within).await
    }

    /// A publisher on this connection. Publishers share its channels.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.0))
    }

    /// Closes the connection in good order and does not come back.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
