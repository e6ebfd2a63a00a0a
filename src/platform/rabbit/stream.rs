//! Reading a stream from an offset.
//!
//! The broker keeps no position for us: the reader says where it begins, and acknowledgements
//! are only credit for more messages. So they are given as soon as a batch is taken, and a
//! caller that does not come for the next batch stops the flow after `prefetch` messages.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture};
use lapin::{
    Acker, Channel, Consumer,
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
    /// Arrived, and not handed on yet: kept here so that a call that is dropped loses nothing.
    taken: Vec<StreamMessage>,
    /// The last message that arrived, until credit is given for all up to it.
    last: Option<Acker>,
    /// Credit on its way. One after the other: the broker refuses them out of order.
    crediting: Option<BoxFuture<'static, Result<bool, lapin::Error>>>,
    /// Closed when the reader is dropped.
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
        Ok(StreamReader {
            from: offset,
            call_timeout: self.0.config.call_timeout,
            consumer,
            taken: Vec::new(),
            last: None,
            crediting: None,
            _channel: channel,
        })
    }
}

impl StreamReader {
    /// Waits up to `wait` for the first message and takes with it what arrives within `linger`
    /// after it, up to `max` messages in all. Empty when none came. May be dropped while it waits.
    ///
    /// Offsets follow each other without gaps. A first one above the offset asked for means that
    /// the stream has forgotten what lay between.
    pub async fn next_batch(
        &mut self,
        max: usize,
        wait: Duration,
        linger: Duration,
    ) -> Result<Vec<StreamMessage>, RabbitError> {
        // A call that was dropped may have left some.
        let wait = if self.taken.is_empty() { wait } else { linger };
        let mut deadline = Instant::now() + wait;
        while self.taken.len() < max {
            if self.taken.is_empty() {
                // What was skipped has used up credit too.
                self.give_credit().await?;
            }
            // Also past the deadline this takes what is there.
            let Ok(arrived) = timeout_at(deadline, self.consumer.next()).await else { break };
            self.take(arrived.ok_or_else(ended)??)?;
            if self.taken.len() == 1 {
                deadline = Instant::now() + linger;
            }
        }
        self.give_credit().await?;
        Ok(std::mem::take(&mut self.taken))
    }

    fn take(&mut self, delivery: Delivery) -> Result<(), RabbitError> {
        let offset = offset_of(&delivery)?;
        if offset >= self.from {
            self.taken.push((offset, Bytes::from(delivery.data)));
        }
        self.last = Some(delivery.acker);
        Ok(())
    }

    async fn give_credit(&mut self) -> Result<(), RabbitError> {
        if self.crediting.is_none()
            && let Some(last) = self.last.take()
        {
            let all = BasicAckOptions { multiple: true };
            self.crediting = Some(Box::pin(async move { last.ack(all).await }));
        }
        if let Some(crediting) = &mut self.crediting {
            timeout(self.call_timeout, crediting).await.map_err(|_| too_late("ack"))??;
            self.crediting = None;
        }
        Ok(())
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
