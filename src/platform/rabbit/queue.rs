//! Queues whose messages are acknowledged when they are taken over.
//!
//! A message that is not acknowledged comes again, to this reader or another, and counts one
//! delivery more. The broker takes back what is not acknowledged within half an hour.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use lapin::{
    Acker, Channel, Consumer, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, LongString},
};
use tokio::time::timeout;

use super::{Rabbit, RabbitError, connection::too_late};

/// After so many deliveries the broker throws a message away. Never: who reads counts, and keeps
/// what it gives up. Newer brokers have a limit of twenty unless one is named.
const DELIVERY_LIMIT: i64 = 1_000_000;

/// A message that waits to be acknowledged.
#[derive(Debug)]
pub struct Delivered {
    /// What it says.
    pub body: Bytes,
    /// How often it was delivered before, and not acknowledged.
    pub before: u64,
    acker: Acker,
}

/// Reads a queue. Any error means that it is to be opened again; what was not acknowledged comes
/// again then, and also after it is dropped.
pub struct QueueReader {
    call_timeout: Duration,
    consumer: Consumer,
    /// Closed when the reader is dropped.
    _channel: Channel,
}

impl Rabbit {
    /// Makes a durable topic exchange.
    pub async fn declare_topic_exchange(&self, name: &str) -> Result<(), RabbitError> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        self.0
            .call(async |channel| {
                let none = FieldTable::default();
                channel.exchange_declare(name.into(), ExchangeKind::Topic, options, none).await
            })
            .await
    }

    /// Makes a quorum queue: it survives every restart, and counts deliveries.
    pub async fn declare_quorum_queue(&self, name: &str) -> Result<(), RabbitError> {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let mut arguments = FieldTable::default();
        let quorum = AMQPValue::LongString(LongString::from("quorum".to_owned()));
        arguments.insert("x-queue-type".into(), quorum);
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
        self.0
            .call(async |channel| {
                channel.queue_declare(name.into(), options, arguments).await.map(drop)
            })
            .await
    }

    /// Messages in a queue that are not on their way to a reader.
    pub async fn queue_depth(&self, name: &str) -> Result<u32, RabbitError> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        self.0
            .call(async |channel| {
                let queue = channel.queue_declare(name.into(), options, FieldTable::default());
                queue.await.map(|queue| queue.message_count())
            })
            .await
    }

    /// Whether there is such a queue.
    pub async fn queue_exists(&self, name: &str) -> Result<bool, RabbitError> {
        self.stream_exists(name).await
    }

    /// Removes a queue with all it holds; none is fine.
    pub async fn delete_queue(&self, name: &str) -> Result<(), RabbitError> {
        self.delete_stream(name).await
    }

    /// Opens a reader with at most `prefetch` messages on their way or in hand.
    pub async fn read_queue(&self, name: &str, prefetch: u16) -> Result<QueueReader, RabbitError> {
        let opened = self.0.call(async |channel| {
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
            let consumer = channel.basic_consume(name.into(), "".into(), options, none).await?;
            Ok((channel.clone(), consumer))
        });
        let (channel, consumer) = opened.await.map_err(|error| error.about(name))?;
        Ok(QueueReader { call_timeout: self.0.config.call_timeout, consumer, _channel: channel })
    }
}

impl QueueReader {
    /// Waits up to `wait` for a message, and takes with it what has arrived, up to `max` in all.
    /// Empty when none came. What a call that is dropped had taken comes again to the next reader.
    pub async fn next_batch(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, RabbitError> {
        let Ok(first) = timeout(wait, self.consumer.next()).await else { return Ok(Vec::new()) };
        let mut batch = vec![delivered(first.ok_or_else(ended)??)];
        while batch.len() < max {
            match self.consumer.next().now_or_never() {
                Some(Some(Ok(more))) => batch.push(delivered(more)),
                // whatever it is, the next call hears of it: what is in hand comes first
                _ => break,
            }
        }
        Ok(batch)
    }

    /// Acknowledges `last`, and all that were delivered before it.
    pub async fn ack_up_to(&self, last: &Delivered) -> Result<(), RabbitError> {
        let acked = last.acker.ack(BasicAckOptions { multiple: true });
        let sent = timeout(self.call_timeout, acked).await.map_err(|_| too_late("ack"))??;
        if sent { Ok(()) } else { Err(ended()) }
    }
}

fn delivered(delivery: Delivery) -> Delivered {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    let before = count.and_then(whole).unwrap_or_else(|| u64::from(delivery.redelivered));
    Delivered { body: Bytes::from(delivery.data), before, acker: delivery.acker }
}

/// A whole number, in whatever width it travels.
fn whole(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::ShortShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortShortUInt(n) => Some(u64::from(*n)),
        AMQPValue::ShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortUInt(n) => Some(u64::from(*n)),
        AMQPValue::LongInt(n) => u64::try_from(*n).ok(),
        AMQPValue::LongUInt(n) => Some(u64::from(*n)),
        AMQPValue::LongLongInt(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

fn ended() -> RabbitError {
    RabbitError::Unavailable("the broker ended the reader".to_owned())
}
