//! Where events go in the broker: one topic exchange, and a queue for each consumer, so that
//! consumers are added, stopped and scaled alone.
//!
//! A queue that `RabbitMQ` 3.10 crashes with in the first second of its life is there afterwards and
//! never answers. So a new queue has to last for a moment before events are routed to it, and Postgres
//! knows which ones have: one that has not, and does not answer, holds nothing and is thrown away. Of
//! one that has, nobody but an operator can say so: a cluster without its majority looks the same.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use sqlx::{PgPool, Postgres, Transaction};

use super::{Consumer, store};
use crate::platform::{postgres, rabbit::Rabbit};

/// The name of the lock under which a queue is made.
const LOCK: &str = "event queue";
/// How often a queue is looked for that another process makes, and the shortest pause in between.
const LOOKS: usize = 5;
const SHORTEST: Duration = Duration::from_millis(50);

/// The names of exchange and queues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventExchange {
    name: Arc<str>,
    settle: Duration,
}

impl EventExchange {
    /// The exchange of a shop whose names in the broker begin with `prefix`. A new queue has to last
    /// for `settle`.
    #[must_use]
    pub fn new(prefix: &str, settle: Duration) -> Self {
        Self { name: format!("{prefix}.events").into(), settle }
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
        pool: &PgPool,
        rabbit: &Rabbit,
        consumers: &[Arc<dyn Consumer>],
    ) -> anyhow::Result<()> {
        rabbit.declare_topic_exchange(&self.name).await?;
        for consumer in consumers {
            let queue = self.queue_of(consumer.name());
            self.ensure(pool, rabbit, &queue)
                .await
                .with_context(|| format!("the queue {queue}"))?;
            for key in consumer.keys() {
                rabbit.bind(&queue, &self.name, key).await?;
            }
        }
        Ok(())
    }

    /// Returns when the queue may be trusted.
    async fn ensure(&self, pool: &PgPool, rabbit: &Rabbit, queue: &str) -> anyhow::Result<()> {
        for _ in 0..LOOKS {
            if rabbit.queue_exists(queue).await? && store::is_trusted(pool, queue).await? {
                return Ok(());
            }
            let mut tx = pool.begin().await?;
            if postgres::try_lock(&mut tx, &format!("{LOCK} {queue}"), 0).await? {
                return self.make(tx, rabbit, queue).await;
            }
            // another makes it
            drop(tx);
            tokio::time::sleep(self.settle.max(SHORTEST)).await;
        }
        anyhow::bail!("another process makes it and does not come to an end")
    }

    /// Makes a queue, under its lock, and sees whether it lasts.
    async fn make(
        &self,
        mut tx: Transaction<'_, Postgres>,
        rabbit: &Rabbit,
        queue: &str,
    ) -> anyhow::Result<()> {
        rabbit.declare_quorum_queue(queue).await?;
        tokio::time::sleep(self.settle).await;
        let answer = rabbit.read_queue(queue, 1).await;
        if store::is_trusted(&mut *tx, queue).await? {
            // the broker came back without it, or it was made by another just now
            answer?;
            return Ok(());
        }
        if let Err(error) = answer {
            if rabbit.is_connected() {
                tracing::warn!(queue, %error, "a new queue was lost; it is made again");
                // no answer either, and done all the same; if not, the next try comes here again
                let _ = rabbit.delete_queue(queue).await;
            }
            return Err(error.into());
        }
        store::trust(&mut *tx, queue).await?;
        Ok(tx.commit().await?)
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
