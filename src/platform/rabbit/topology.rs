//! Exchanges, streams and bindings. Every verb may be repeated.

use std::time::Duration;

use lapin::{
    ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, LongString},
};

use super::{Rabbit, RabbitError};

/// When a stream forgets. It forgets whole segments, whether they were read or not.
#[derive(Debug, Clone, Copy)]
pub struct StreamLimits {
    /// Age, in whole seconds.
    pub max_age: Duration,
    /// Size in bytes.
    pub max_bytes: u64,
    /// Size of a segment in bytes.
    pub segment_bytes: u64,
}

impl StreamLimits {
    fn arguments(&self) -> FieldTable {
        let bytes = |value: u64| AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX));
        let text = |value: String| AMQPValue::LongString(LongString::from(value));
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("stream".to_owned()));
        arguments.insert("x-max-age".into(), text(format!("{}s", self.max_age.as_secs())));
        arguments.insert("x-max-length-bytes".into(), bytes(self.max_bytes));
        arguments.insert("x-stream-max-segment-size-bytes".into(), bytes(self.segment_bytes));
        arguments
    }
}

impl Rabbit {
    /// Makes a durable direct exchange.
    pub async fn declare_exchange(&self, name: &str) -> Result<(), RabbitError> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        self.0
            .call(async |channel| {
                let none = FieldTable::default();
                channel.exchange_declare(name.into(), ExchangeKind::Direct, options, none).await
            })
            .await
    }

    /// Whether there is such an exchange.
    pub async fn exchange_exists(&self, name: &str) -> Result<bool, RabbitError> {
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let asked = self.0.call(async |channel| {
            let none = FieldTable::default();
            channel.exchange_declare(name.into(), ExchangeKind::Direct, options, none).await
        });
        found(asked.await)
    }

    /// Removes an exchange with its bindings; none is fine.
    pub async fn delete_exchange(&self, name: &str) -> Result<(), RabbitError> {
        let options = ExchangeDeleteOptions::default();
        self.0.call(async |channel| channel.exchange_delete(name.into(), options).await).await
    }

    /// Makes a stream. One that exists with other limits is [`RabbitError::Refused`].
    pub async fn declare_stream(
        &self,
        name: &str,
        limits: &StreamLimits,
    ) -> Result<(), RabbitError> {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        self.0
            .call(async |channel| {
                channel.queue_declare(name.into(), options, limits.arguments()).await.map(drop)
            })
            .await
    }

    /// Whether there is such a stream (or queue). In the first seconds after the broker's start
    /// `false` is no proof; that the exchange is missing is one.
    pub async fn stream_exists(&self, name: &str) -> Result<bool, RabbitError> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let asked = self.0.call(async |channel| {
            channel.queue_declare(name.into(), options, FieldTable::default()).await.map(drop)
        });
        found(asked.await)
    }

    /// Removes a stream with all it holds; none is fine.
    pub async fn delete_stream(&self, name: &str) -> Result<(), RabbitError> {
        let options = QueueDeleteOptions::default();
        self.0
            .call(async |channel| channel.queue_delete(name.into(), options).await.map(drop))
            .await
    }

    /// Routes what is published to `exchange` under `key` into `queue`.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), RabbitError> {
        let options = QueueBindOptions::default();
        self.0
            .call(async |channel| {
                let none = FieldTable::default();
                channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await
            })
            .await
    }

    /// Undoes [`Rabbit::bind`]; no such binding is fine. Once it returns, nothing more that is
    /// published under `key` comes this way.
    pub async fn unbind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), RabbitError> {
        self.0
            .call(async |channel| {
                let none = FieldTable::default();
                channel.queue_unbind(queue.into(), exchange.into(), key.into(), none).await
            })
            .await
    }
}

fn found(asked: Result<(), RabbitError>) -> Result<bool, RabbitError> {
    match asked {
        Ok(()) => Ok(true),
        Err(RabbitError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
