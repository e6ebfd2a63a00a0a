//! Where events go in the broker: one topic exchange, and a queue for each consumer, so that
//! consumers are added, stopped and scaled alone.

use std::sync::Arc;

use super::Consumer;
use crate::platform::rabbit::{Rabbit, RabbitError};

/// The names of exchange and queues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventExchange {
    name: Arc<str>,
}

impl EventExchange {
    /// The exchange of a shop whose names in the broker begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { name: format!("{prefix}.events").into() }
    }

    /// The exchange, to which the type of an event is the routing key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The queue of a consumer.
    #[must_use]
    pub fn queue_of(&self, consumer: &str) -> String {
        format!("{}.{consumer}", self.name)
    }

    /// Makes the exchange, and the consumers' queues with their bindings; what is there stays. A
    /// binding is never taken away here: a consumer that asks for less passes over the rest.
    pub async fn declare(
        &self,
        rabbit: &Rabbit,
        consumers: &[Arc<dyn Consumer>],
    ) -> Result<(), RabbitError> {
        rabbit.declare_topic_exchange(&self.name).await.map_err(|e| e.about(&self.name))?;
        for consumer in consumers {
            let queue = self.queue_of(consumer.name());
            self.declare_queue(rabbit, &queue, consumer.keys())
                .await
                .map_err(|e| e.about(&queue))?;
        }
        Ok(())
    }

    async fn declare_queue(
        &self,
        rabbit: &Rabbit,
        queue: &str,
        keys: &[&str],
    ) -> Result<(), RabbitError> {
        rabbit.declare_quorum_queue(queue).await?;
        for key in keys {
            rabbit.bind(queue, &self.name, key).await?;
        }
        Ok(())
    }
}

/// Whether a topic exchange routes `key` by `pattern`, in which `*` is one word and `#` any number.
#[must_use]
pub fn routes(pattern: &str, key: &str) -> bool {
    fn matches(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), None) => matches(rest, key),
            (Some((&"#", rest)), Some((_, later))) => matches(rest, key) || matches(pattern, later),
            (Some((word, rest)), Some((found, later))) => {
                (*word == "*" || word == found) && matches(rest, later)
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
    let (pattern, key): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), key.split('.').collect());
    matches(&pattern, &key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_routed_as_the_broker_does() {
        for (pattern, key, routed) in [
            ("order.paid.v1", "order.paid.v1", true),
            ("order.paid.v1", "order.paid.v2", false),
            ("order.*.v1", "order.paid.v1", true),
            ("order.*", "order.paid.v1", false),
            ("order.#", "order.paid.v1", true),
            ("order.#", "order", true),
            ("#.v1", "order.paid.v1", true),
            ("#", "anything.at.all", true),
            ("*.paid.#.v1", "order.paid.v1", true),
            ("stock.#", "order.paid.v1", false),
        ] {
            assert_eq!(routes(pattern, key), routed, "{pattern} {key}");
        }
    }
}
