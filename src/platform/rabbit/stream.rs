//! Reading a stream from an offset.
//!
//! The broker keeps no position for us: the reader says where it begins, and acknowledgements
//! are only credit for more messages. So they are given as soon as a batch is taken, and a
//! caller that does not come for the next batch stops the flow after `prefetch` messages.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Rabbit, RabbitError, connection::too_late};

/// A message and its offset in the stream.
pub type StreamMessage = (i64, Bytes);

/// Reads a stream in order. Any error means that it is to be opened again.
pub struct StreamReader {
    /// Where the reader began; the broker begins with the chunk in which this offset lies.
    from: i64,
    call_timeout: Duration,
    consumer: Consumer,
    /// Closed when the reader is dropped, which gives the messages on their way back.
    _channel: Channel,
}

impl Rabbit {
    /// Opens a reader of stream `name` that begins at `offset`, with at most `prefetch` messages
    /// on their way.
    pub async fn read_stream(
        &self,
        name: &str,
        offset: i64,
        prefetch: u16,
    ) -> Result<StreamReader, RabbitError> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), AMQPValue::LongLongInt(offset));
        let opened = self.0.call(async |channel| {
            // Streams are refused to consumers without it.
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            let consumer =
                channel.basic_consume(name.into(), "".into(), options, arguments).await?;
            Ok((channel.clone(), consumer))
        });
        let (channel, consumer) = opened.await?;
        let call_timeout = self.0.config.call_timeout;
        Ok(StreamReader { from: offset, call_timeout, consumer, _channel: channel })
    }
}

impl StreamReader {
    /// Waits up to `wait` for the first message, and takes with it what has already arrived, up
    /// to `max` messages in all. Empty when none came.
    ///
    /// Not to be dropped halfway: what it had taken would be missing from the next batch.
    pub async fn next_batch(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<StreamMessage>, RabbitError> {
        let deadline = Instant::now() + wait;
        let mut batch = Vec::new();
        let mut last = None;
        while batch.len() < max {
            let next = if batch.is_empty() {
                timeout_at(deadline, self.consumer.next()).await.ok()
            } else {
                self.consumer.next().now_or_never()
            };
            let Some(arrived) = next else { break };
            let delivery = arrived.ok_or_else(ended)??;
            let offset = offset_of(&delivery)?;
            if offset >= self.from {
                batch.push((offset, Bytes::from(delivery.data)));
            }
            last = Some(delivery.acker);
        }
        if let Some(acker) = last {
            let credit = acker.ack(BasicAckOptions { multiple: true });
            timeout(self.call_timeout, credit).await.map_err(|_| too_late("ack"))??;
        }
        Ok(batch)
    }
}

fn ended() -> RabbitError {
    RabbitError::Unavailable("the broker ended the reader".to_owned())
}

fn offset_of(delivery: &Delivery) -> Result<i64, RabbitError> {
    let headers = delivery.properties.headers().as_ref();
    let offset = headers.and_then(|headers| headers.inner().get("x-stream-offset"));
    offset
        .and_then(AMQPValue::as_long_long_int)
        .ok_or_else(|| RabbitError::Refused("a message without an offset".to_owned()))
}
