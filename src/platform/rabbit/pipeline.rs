//! Publishing many messages in order, on one channel, confirmed together.
//!
//! On a channel with several messages lapin hands a returned message to whichever confirm comes
//! next (see `publisher.rs`). It cannot come later than the message's own confirm, and it carries the
//! message's id: so once the confirms are in, it is known which messages came back. After anything
//! but success the channel is left with what may still arrive on it.
//!
//! An exchange that is missing costs more than the channel: what was on its way when the broker
//! closed it is an error of the whole connection. So a pipeline has a connection to itself.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::FutureExt;
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::time::timeout;

use super::{
    PublishError, Rabbit, RabbitError,
    connection::{Supervised, too_late},
    publisher::PERSISTENT,
};

/// A message of a bite.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its id, different from the others' of the bite.
    pub id: i64,
    /// What it is routed by.
    pub key: &'a str,
    /// What it says.
    pub body: &'a [u8],
    /// Whether it counts as published only if a queue is bound for it.
    pub mandatory: bool,
}

/// How far a bite came.
#[derive(Debug)]
pub struct Piped {
    /// So many at the front are with the broker.
    pub confirmed: usize,
    /// Why the next one is not, or need not be.
    pub stopped: Option<PublishError>,
}

/// Publishes bites of persistent messages. One at a time: order is what it is for.
pub struct Pipeline {
    connection: Arc<Supervised>,
    /// In confirm mode, with nothing outstanding.
    channel: Option<Channel>,
}

impl Rabbit {
    /// A pipeline on this connection.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline {
        Pipeline { connection: Arc::clone(&self.0), channel: None }
    }
}

impl Pipeline {
    /// Publishes all of `messages` and waits until the broker has confirmed them. What lies behind
    /// the first that it did not confirm may be with it or not, and is to be published again.
    pub async fn publish(&mut self, exchange: &str, messages: &[Outgoing<'_>]) -> Piped {
        let limits = &self.connection.config;
        let (patience, limit) = (limits.publish_timeout, limits.confirm_timeout);
        let mut confirms = Vec::with_capacity(messages.len());
        let sending = self.send(exchange, messages, &mut confirms);
        let sent = match timeout(patience, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(too_late("publish")),
        };
        let mut seen = Seen::default();
        for confirm in &mut confirms {
            // one that waits for the broker is enough: after it, only what is there is looked at
            let answer = if seen.silent {
                confirm.now_or_never()
            } else {
                timeout(limit, confirm).await.ok()
            };
            seen.take(answer);
        }
        let piped = seen.outcome(messages, sent.err());
        if piped.stopped.is_some() {
            self.channel = None;
        }
        piped
    }

    async fn send(
        &mut self,
        exchange: &str,
        messages: &[Outgoing<'_>],
        confirms: &mut Vec<PublisherConfirm>,
    ) -> Result<(), RabbitError> {
        let idle = self.channel.take().filter(|channel| channel.status().connected());
        let channel = if let Some(channel) = idle {
            channel
        } else {
            let channel = self.connection.channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            channel
        };
        // kept from here on: left with messages on it, it is dropped by the caller
        let channel = self.channel.insert(channel);
        for message in messages {
            let properties = BasicProperties::default()
                .with_delivery_mode(PERSISTENT)
                .with_content_type("application/json".into())
                .with_message_id(message.id.to_string().into());
            let options =
                BasicPublishOptions { mandatory: message.mandatory, ..Default::default() };
            let confirm = channel.basic_publish(
                exchange.into(),
                message.key.into(),
                options,
                message.body,
                properties,
            );
            confirms.push(confirm.await?);
        }
        Ok(())
    }
}

/// The confirms of a bite, in its order.
#[derive(Default)]
struct Seen {
    outcomes: Vec<Result<(), PublishError>>,
    returned: BTreeSet<i64>,
    /// Something came back that does not say which message it is.
    unknown_returned: bool,
    silent: bool,
}

impl Seen {
    fn take(&mut self, answer: Option<lapin::Result<Confirmation>>) {
        let outcome = match answer {
            None => {
                self.silent = true;
                Err(too_late("publish").into())
            }
            Some(Err(error)) => Err(RabbitError::from(error).into()),
            Some(Ok(Confirmation::NotRequested)) => {
                Err(PublishError::Unknown("not confirmed".to_owned()))
            }
            Some(Ok(confirmation)) => {
                let acked = confirmation.is_ack();
                if let Some(message) = confirmation.take_message() {
                    let id = message.delivery.properties.message_id().as_ref();
                    match id.and_then(|id| id.as_str().parse().ok()) {
                        Some(id) => drop(self.returned.insert(id)),
                        None => self.unknown_returned = true,
                    }
                }
                if acked { Ok(()) } else { Err(PublishError::Nacked) }
            }
        };
        self.outcomes.push(outcome);
    }

    fn outcome(self, messages: &[Outgoing<'_>], not_sent: Option<RabbitError>) -> Piped {
        if self.unknown_returned {
            return Piped { confirmed: 0, stopped: Some(PublishError::Unroutable) };
        }
        let mut confirmed = 0;
        for (message, outcome) in messages.iter().zip(self.outcomes) {
            let came_back = self.returned.contains(&message.id);
            let stopped = match outcome {
                Ok(()) if came_back => Some(PublishError::Unroutable),
                Ok(()) => None,
                Err(error) => Some(error),
            };
            if stopped.is_some() {
                return Piped { confirmed, stopped };
            }
            confirmed += 1;
        }
        Piped { confirmed, stopped: not_sent.map(PublishError::from) }
    }
}
