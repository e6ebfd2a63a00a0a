//! From the outbox to the broker: one relay at a time, in order, in confirmed bites.
//!
//! The lock lasts as long as the connection through which rows are read and removed, so whoever has
//! lost the lock removes nothing. What always holds: a row is removed after the broker has confirmed
//! it for every consumer that this shop knows. A relay that dies in between leaves its rows to the
//! next one, which publishes them again; consumers change nothing by taking an event twice.
//!
//! An event that no consumer asks for is published all the same, for whoever has bound a queue of
//! their own; only that nobody takes it is no fault then.

use std::{sync::Arc, time::Duration};

use sqlx::{PgConnection, PgPool};

use crate::{
    kernel::clock::Timestamp,
    platform::{
        outbox, postgres,
        rabbit::{Outgoing, Pipeline, Rabbit},
    },
    shop::events::{Consumer, EventExchange, exchange},
};

/// The name of the relay's lock.
const LOCK: &str = "outbox";

/// A bite that was published and removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relayed {
    /// When its events were written.
    pub written_at: Vec<Timestamp>,
    /// Whether more may wait.
    pub more: bool,
}

/// Publishes the outbox.
pub struct EventRelay {
    pool: PgPool,
    rabbit: Rabbit,
    exchange: EventExchange,
    consumers: Arc<[Arc<dyn Consumer>]>,
    bite: u16,
    hangs: Duration,
    /// Has the lock, or tries to get it.
    connection: Option<PgConnection>,
    leads: bool,
    pipeline: Pipeline,
    /// Whether exchange and queues are there, as far as is known.
    declared: bool,
}

impl EventRelay {
    /// A relay that knows these consumers. Publishes `bite` events at once. One that says nothing to
    /// Postgres for `hangs` is taken for dead.
    #[must_use]
    pub fn new(
        pool: PgPool,
        rabbit: Rabbit,
        exchange: EventExchange,
        consumers: Arc<[Arc<dyn Consumer>]>,
        bite: u16,
        hangs: Duration,
    ) -> Self {
        let pipeline = rabbit.pipeline();
        Self {
            pool,
            rabbit,
            exchange,
            consumers,
            bite,
            hangs,
            connection: None,
            leads: false,
            pipeline,
            declared: false,
        }
    }

    /// Whether this is the one relay, becoming it if there is none. From its first yes on it is
    /// until [`EventRelay::resign`], or until a round fails.
    pub async fn lead(&mut self) -> sqlx::Result<bool> {
        if self.leads {
            return Ok(true);
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => postgres::connect_alone(&self.pool, self.hangs).await?,
        };
        self.leads = postgres::try_lock_for_long(&mut connection, LOCK, 0).await?;
        self.connection = Some(connection);
        Ok(self.leads)
    }

    /// Lets another one lead.
    pub fn resign(&mut self) {
        // the lock ends with its connection
        self.connection = None;
        self.leads = false;
        self.declared = false;
    }

    /// Publishes the next bite and removes what was confirmed. After an error this is no longer the
    /// one relay, and what was not confirmed waits for the next.
    pub async fn round(&mut self) -> anyhow::Result<Relayed> {
        let done = self.publish().await;
        if done.is_err() {
            self.resign();
        }
        done
    }

    async fn publish(&mut self) -> anyhow::Result<Relayed> {
        let Some(connection) = self.connection.as_mut().filter(|_| self.leads) else {
            anyhow::bail!("another process relays");
        };
        let rows = outbox::next(&mut *connection, self.bite).await?;
        if rows.is_empty() {
            return Ok(Relayed::default());
        }
        if !self.declared {
            self.exchange.declare(&self.pool, &self.rabbit, &self.consumers).await?;
            self.declared = true;
        }
        let wanted = |key: &str| {
            let keys = self.consumers.iter().flat_map(|consumer| consumer.keys());
            keys.copied().any(|pattern| exchange::routes(pattern, key))
        };
        let messages: Vec<_> = rows
            .iter()
            .map(|row| Outgoing {
                id: row.id,
                key: &row.routing_key,
                body: &row.body,
                mandatory: wanted(&row.routing_key),
            })
            .collect();
        let piped = self.pipeline.publish(self.exchange.name(), &messages).await;
        let (ids, written_at): (Vec<_>, Vec<_>) =
            rows.iter().take(piped.confirmed).map(|row| (row.id, row.written_at)).unzip();
        if !ids.is_empty() {
            outbox::remove(connection, &ids).await?;
        }
        match piped.stopped {
            None => Ok(Relayed { written_at, more: rows.len() == usize::from(self.bite) }),
            // whatever it is, a queue that is missing too: the next round makes them again
            Some(error) => Err(error.into()),
        }
    }
}
