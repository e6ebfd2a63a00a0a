//! The broker as somebody else sees it: messages read and sent by hand.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
        BasicPublishOptions, ConfirmSelectOptions,
    },
    types::FieldTable,
};

use crate::harness::PATIENCE;

/// A connection of a stranger.
pub(super) struct Wire {
    _connection: Connection,
    channel: Channel,
}

impl Wire {
    pub(super) async fn to(url: &str) -> Self {
        let connection =
            Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { _connection: connection, channel }
    }

    /// Sends anything into a queue.
    pub(super) async fn send(&self, queue: &str, body: &[u8]) {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let sent = self.channel.basic_publish("".into(), queue.into(), options, body, properties);
        let confirmed = sent.await.unwrap().await.unwrap();
        assert!(confirmed.is_ack() && confirmed.take_message().is_none(), "no queue {queue}");
    }

    /// Takes so many messages and gives them back, so often.
    pub(super) async fn give_back(&self, queue: &str, messages: usize, times: usize) {
        for _ in 0..times {
            let mut taken = Vec::new();
            while taken.len() < messages {
                let got = self.channel.basic_get(queue.into(), BasicGetOptions::default());
                match got.await.unwrap() {
                    Some(message) => taken.push(message),
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            for message in taken {
                let options = BasicNackOptions { requeue: true, ..Default::default() };
                message.delivery.acker.nack(options).await.unwrap();
            }
        }
    }

    /// Takes so many messages: what they say.
    pub(super) async fn take(&self, queue: &str, count: usize) -> Vec<serde_json::Value> {
        let options = BasicConsumeOptions::default();
        let none = FieldTable::default();
        let mut consumer =
            self.channel.basic_consume(queue.into(), "".into(), options, none).await.unwrap();
        let mut found = Vec::new();
        while found.len() < count {
            let next = tokio::time::timeout(PATIENCE, consumer.next()).await;
            let delivery = next.expect("a message in time").unwrap().unwrap();
            delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
            found.push(serde_json::from_slice(&delivery.data).unwrap());
        }
        found
    }
}
