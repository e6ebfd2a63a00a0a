//! Publishing with a promise: `Ok` means that the broker has the message and keeps it.
//!
//! Each message has a channel for itself until it is confirmed. This is for truth, not for
//! speed: a message that no binding takes is *returned and then confirmed*, and lapin hands what
//! was returned to the next confirm that arrives on the channel, whichever message that one is
//! for. With two messages on a channel, the unroutable one could pass for published. With one,
//! there is nothing to mix up; and a caller that stops waiting takes its channel with it.

use std::sync::Arc;

use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use thiserror::Error;
use tokio::time::timeout;

use super::{
    RabbitError,
    connection::{Supervised, too_late},
};

/// AMQP's "persistent".
pub(super) const PERSISTENT: u8 = 2;

/// Why a message must not be counted as published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// No binding (or no exchange) took it: it is nowhere, and will be nowhere. Not always for
    /// good: in the first moments after its start a broker says so although the binding is there.
    #[error("no queue is bound for the message")]
    Unroutable,
    /// The broker could not keep it: for instance because it was started just now and is still
    /// opening the stream.
    #[error("the broker did not take the message")]
    Nacked,
    /// It may be in the broker or not: no connection, lost on the way, or no answer in time.
    #[error("it is unknown whether the message was published: {0}")]
    Unknown(String),
}

impl From<RabbitError> for PublishError {
    fn from(error: RabbitError) -> Self {
        match error {
            // Only a missing exchange is "not found" here; the broker drops the message then.
            RabbitError::NotFound(_) => Self::Unroutable,
            other => Self::Unknown(other.to_string()),
        }
    }
}

/// Publishes persistent, mandatory, confirmed messages. Cheap to clone; many may publish at once.
#[derive(Clone)]
pub struct Publisher(Arc<Supervised>);

impl Publisher {
    pub(super) fn new(connection: Arc<Supervised>) -> Self {
        Self(connection)
    }

    /// Publishes `body` and waits until the broker has confirmed it. May be repeated after any
    /// error: what is published states what should be, so twice is as good as once.
    pub async fn publish(
        &self,
        exchange: &str,
        key: &str,
        body: &[u8],
    ) -> Result<(), PublishError> {
        let limits = &self.0.config;
        // Held to the end: as many messages are on their way as there may be channels.
        let sending = async {
            let permit = self.0.permits.acquire().await;
            let permit = permit.map_err(|_| RabbitError::Unavailable("closed".to_owned()))?;
            let channel = self.idle_channel().await?;
            let confirm = channel
                .basic_publish(
                    exchange.into(),
                    key.into(),
                    BasicPublishOptions { mandatory: true, ..Default::default() },
                    body,
                    BasicProperties::default().with_delivery_mode(PERSISTENT),
                )
                .await?;
            Ok::<_, RabbitError>((permit, channel, confirm))
        };
        let (_permit, channel, confirm) =
            timeout(limits.publish_timeout, sending).await.map_err(|_| too_late("publish"))??;
        let confirmed = timeout(limits.confirm_timeout, confirm).await;
        let outcome = confirmed.map_err(|_| too_late("publish"))?.map_err(RabbitError::from)?;
        // Only now is nothing outstanding on it; on every other way out it is closed.
        self.0.put_idle(channel);
        match outcome {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                Err(PublishError::Unroutable)
            }
            Confirmation::Nack(None) => Err(PublishError::Nacked),
            Confirmation::NotRequested => Err(PublishError::Unknown("not confirmed".to_owned())),
        }
    }

    /// A channel in confirm mode, with nothing outstanding.
    async fn idle_channel(&self) -> Result<Channel, RabbitError> {
        if let Some(channel) = self.0.take_idle() {
            return Ok(channel);
        }
        let channel = self.0.channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }
}
