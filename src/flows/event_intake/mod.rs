//! Events into their consumers: what a consumer writes, and what becomes a dead letter, is committed
//! before the broker is told that an event was taken over.
//!
//! Many events share a transaction. When it fails for the sake of one of them, the batch is halved
//! until that one stands alone; its neighbours are committed without it, and it is kept as a dead
//! letter. A piece that was committed may come again with the rest: consumers change nothing by
//! taking an event twice, and a dead letter is kept once by the event's id.

mod replay;

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

pub use replay::EventReplay;

use crate::{
    kernel::clock::{Clock, Timestamp},
    shop::{
        dead_letters::{self, Failure, Kept},
        events::{Consumer, Event, Fault},
    },
};

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// When what was taken over had happened.
    pub times: Vec<Timestamp>,
    /// Events kept as dead letters.
    pub parked: usize,
}

/// Takes events over for one consumer.
#[derive(Clone)]
pub struct EventIntake {
    pool: PgPool,
    clock: Clock,
    consumer: Arc<dyn Consumer>,
    queue: Arc<str>,
}

/// A message as it came.
struct Message<'a> {
    body: &'a [u8],
    event: Result<Event, String>,
}

impl EventIntake {
    /// An intake into this database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, consumer: Arc<dyn Consumer>) -> Self {
        let queue = queue_of(consumer.as_ref()).into();
        Self { pool, clock, consumer, queue }
    }

    /// Takes a batch over, or keeps what will never be. After an error nothing, some or all of it
    /// was, and the same batch is to be tried again when what is needed is back.
    pub async fn take_over(&self, bodies: &[&[u8]]) -> anyhow::Result<Taken> {
        let messages: Vec<_> = bodies.iter().map(|body| Message::read(body)).collect();
        let mut taken = Taken::default();
        let mut pieces = vec![messages.as_slice()];
        while let Some(piece) = pieces.pop() {
            match self.commit(piece).await {
                Ok(()) => {
                    taken.times.extend(piece.iter().filter_map(Message::time));
                }
                Err(Fault::Retry(error)) => return Err(error),
                Err(Fault::Park(reason)) => {
                    if let [message] = piece {
                        self.park(message, &reason, 1).await?;
                        taken.parked += 1;
                    } else {
                        let (left, right) = piece.split_at(piece.len() / 2);
                        // the last is taken first, and so order is kept
                        pieces.extend([right, left]);
                    }
                }
            }
        }
        Ok(taken)
    }

    /// Keeps a message that was delivered `before` times and never acknowledged: it may be what ends
    /// the processes that take it. Returns its dead letter, unless it had become one already.
    pub async fn set_aside(&self, body: &[u8], before: u64) -> sqlx::Result<Option<i64>> {
        let attempts = i64::try_from(before).unwrap_or(i64::MAX);
        let reason = format!("delivered {before} times and never taken over");
        match self.park(&Message::read(body), &reason, attempts).await? {
            Kept::New(id) => Ok(Some(id)),
            Kept::Known => Ok(None),
        }
    }

    /// All of a piece in one transaction.
    async fn commit(&self, piece: &[Message<'_>]) -> Result<(), Fault> {
        let mut tx = self.pool.begin().await?;
        for message in piece {
            let event = message.event.as_ref().map_err(|reason| Fault::Park(reason.clone()))?;
            take(self.consumer.as_ref(), &mut tx, event).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn park(&self, message: &Message<'_>, reason: &str, attempts: i64) -> sqlx::Result<Kept> {
        let (id, subject) = message.name();
        let position = format!("event {id}");
        let failure = Failure::new(&self.queue, &position, reason, message.body)
            .about(subject.as_deref())
            .of_message(&id)
            .tried(attempts);
        tracing::warn!(queue = %self.queue, position, reason, "an event became a dead letter");
        dead_letters::store::insert(&self.pool, failure, self.clock.now()).await
    }
}

/// The queue that a consumer's dead letters name.
fn queue_of(consumer: &dyn Consumer) -> String {
    format!("events.{}", consumer.name())
}

/// A panic is the event's fault: its transaction is rolled back, and the next one is taken.
async fn take(consumer: &dyn Consumer, tx: &mut PgConnection, event: &Event) -> Result<(), Fault> {
    let taking = AssertUnwindSafe(consumer.take(tx, event)).catch_unwind();
    taking.await.unwrap_or_else(|_| Err(Fault::Park("the consumer panicked".to_owned())))
}

impl<'a> Message<'a> {
    fn read(body: &'a [u8]) -> Self {
        let event = serde_json::from_slice(body).map_err(|error| format!("not read: {error}"));
        Self { body, event }
    }

    fn time(&self) -> Option<Timestamp> {
        self.event.as_ref().ok().map(|event| event.time)
    }

    /// Its id, and what it is about, as far as they can be read.
    fn name(&self) -> (String, Option<String>) {
        #[derive(Deserialize)]
        struct Name {
            id: String,
            subject: Option<String>,
        }
        if let Ok(Name { id, subject }) = serde_json::from_slice(self.body) {
            return (id, subject);
        }
        let digest = Sha256::digest(self.body);
        let (id, _) = digest.split_at(digest.len() / 2);
        (id.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}")), None)
    }
}
