//! Trying once more, and giving up.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};
use thiserror::Error;

use super::{DeadLetter, store};
use crate::kernel::clock::{Clock, Timestamp};

/// A road that dead letters come by: what knows how to take one of them over once more.
#[async_trait]
pub trait Replay: Send + Sync + 'static {
    /// The queue, as its letters name it.
    fn queue(&self) -> &str;

    /// Does once more what failed, by writing in `tx`, which is committed together with the note
    /// that the letter is done. Must change nothing when what it asks for has happened since.
    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()>;

    /// What a letter says, for people.
    fn show(&self, letter: &DeadLetter) -> String {
        letter.text()
    }
}

/// What a replay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It succeeded.
    Now,
    /// Nothing: it had succeeded already.
    Before(Timestamp),
    /// Nothing: the letter was given up.
    Dropped(Timestamp),
}

/// What giving up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It is given up.
    Now,
    /// Nothing: it was done with already, by a replay or by giving up.
    Before,
}

/// Why a letter waits still.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// No letter of that number.
    #[error("there is no dead letter {0}")]
    NotFound(i64),
    /// Nobody here knows the queue, for instance because it was a later version's.
    #[error("this program has no queue `{0}`")]
    UnknownQueue(String),
    /// It failed again.
    #[error("{0:#}")]
    Failed(anyhow::Error),
    /// Postgres cannot be asked.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The verbs on dead letters. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    pool: PgPool,
    clock: Clock,
    roads: Arc<[Arc<dyn Replay>]>,
}

impl DeadLetters {
    /// Verbs that know these roads.
    #[must_use]
    pub fn new(pool: PgPool, clock: Clock, roads: impl Into<Arc<[Arc<dyn Replay>]>>) -> Self {
        Self { pool, clock, roads: roads.into() }
    }

    /// What the letter says, for people.
    #[must_use]
    pub fn show(&self, letter: &DeadLetter) -> String {
        self.road(&letter.source).map_or_else(|| letter.text(), |road| road.show(letter))
    }

    /// Tries once more. Two at once wait for each other, and one of them finds it done.
    pub async fn replay(&self, id: i64) -> Result<Replayed, ReplayError> {
        let mut tx = self.pool.begin().await?;
        let letter = store::get_for_update(&mut *tx, id).await?;
        let letter = letter.ok_or(ReplayError::NotFound(id))?;
        if let Some(at) = letter.replayed_at {
            return Ok(Replayed::Before(at));
        }
        if let Some(at) = letter.dropped_at {
            return Ok(Replayed::Dropped(at));
        }
        let road = self.road(&letter.source);
        let road = road.ok_or_else(|| ReplayError::UnknownQueue(letter.source.clone()))?;
        if let Err(error) = road.replay(&mut tx, &letter).await {
            tx.rollback().await?;
            let reason = format!("{error:#}");
            store::mark_failed(&self.pool, id, &reason, self.clock.now()).await?;
            return Err(ReplayError::Failed(error));
        }
        store::mark_replayed(&mut *tx, id, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Replayed::Now)
    }

    /// Gives a letter up. It stays on record, with the reason.
    pub async fn drop(&self, id: i64, why: &str) -> Result<Dropped, ReplayError> {
        if store::mark_dropped(&self.pool, id, why, self.clock.now()).await? {
            return Ok(Dropped::Now);
        }
        let found = store::get(&self.pool, id).await?;
        found.map(|_| Dropped::Before).ok_or(ReplayError::NotFound(id))
    }

    fn road(&self, queue: &str) -> Option<&Arc<dyn Replay>> {
        self.roads.iter().find(|road| road.queue() == queue)
    }
}

impl DeadLetter {
    /// The payload where it is text, and otherwise its length.
    #[must_use]
    pub fn text(&self) -> String {
        match std::str::from_utf8(&self.payload) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{} bytes", self.payload.len()),
        }
    }
}
