//! Mail: an event becomes a row, and a row becomes a letter.
//!
//! What always holds: one letter for each event, under one `Message-ID`, whoever sends it and however
//! often; none is lost while the SMTP server is away, for that counts against no letter; and one that
//! is refused, or fails for a day, is a dead letter that can be replayed. What only the sending knows,
//! such as the address, is read then and kept nowhere.
//!
//! In reading order: `consumer` takes events over, here rows are sent, `letter` writes what they say.

mod consumer;
mod letter;
mod metrics;
mod pace;

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

pub use consumer::MailConsumer;

use self::{letter::Unwritten, metrics::MailMetrics, pace::Pace};
use crate::{
    kernel::clock::Clock,
    platform::{
        backoff,
        config::Config,
        mailer::{MailError, Mailer},
        metrics::Metrics,
    },
    shop::{
        dead_letters::{self, DeadLetter, Failure, Replay},
        mail::{self, Mail},
    },
};

/// The source that dead letters of this road carry.
pub const SOURCE: &str = "mail";

/// What a lease leaves for Postgres, beside the sending itself.
const MARGIN: Duration = Duration::from_secs(15);
/// Mails forgotten in one statement.
const FORGOTTEN: i64 = 1_000;

/// The flow. Cheap to clone.
#[derive(Clone)]
pub struct Mailing {
    pool: PgPool,
    clock: Clock,
    mailer: Arc<Mailer>,
    config: Arc<Config>,
    pace: Arc<Pace>,
    metrics: MailMetrics,
}

/// What became of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Mails taken in hand: as many as there were connections for means that there may be more.
    pub taken: usize,
    /// Mails sent.
    pub sent: usize,
}

/// A mail among the dead letters.
#[derive(Debug, Serialize, Deserialize)]
struct Dead {
    mail: Uuid,
    kind: String,
}

/// What is common to the mails of a round.
#[derive(Default)]
struct Going {
    sent: AtomicUsize,
    /// The server takes nothing: the rest need not try.
    is_away: AtomicBool,
}

impl Mailing {
    /// Sends what `pool` keeps as `config` says. Fails on settings that cannot work.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        config: Arc<Config>,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            pool,
            clock,
            mailer: Arc::new(Mailer::new(&config.mail).context("mail")?),
            pace: Arc::new(Pace::new(config.mail.rate)),
            metrics: MailMetrics::new(metrics)?,
            config,
        })
    }

    /// Sends mails that are due, `limit` and one for each connection at most, no faster than the
    /// rate that is set. An error says that nothing could be sent now; nothing is lost by it.
    pub async fn send_due(&self, limit: usize) -> anyhow::Result<Round> {
        let limit = limit.min(self.config.mail.connections);
        let lease = self.config.mail.timeout + self.pace.length_of(limit) + MARGIN;
        let due = mail::store::take_over(&self.pool, i64::try_from(limit)?, lease).await?;
        let (taken, going) = (due.len(), Going::default());
        let outcomes: Vec<anyhow::Result<()>> = stream::iter(due)
            .map(|mail| {
                let going = &going;
                async move { self.send(&mail, going).await }
            })
            .buffer_unordered(limit.max(1))
            .collect()
            .await;
        let sent = going.sent.into_inner();
        match outcomes.into_iter().collect() {
            // somebody else's letter came through, so it was not the server
            Err(error) if sent == 0 => Err(error),
            Err(error) => {
                tracing::warn!(%error, "a mail waits");
                Ok(Round { taken, sent })
            }
            Ok(()) => Ok(Round { taken, sent }),
        }
    }

    async fn send(&self, mail: &Mail, going: &Going) -> anyhow::Result<()> {
        let letter = match letter::write(&self.pool, &self.config, self.mailer.name(), mail).await {
            Ok(letter) => letter,
            Err(Unwritten::Never(why)) => return Ok(self.bury(mail, &why).await?),
            Err(Unwritten::Later(error)) => return Err(error),
        };
        self.pace.turn().await;
        if going.is_away.load(Ordering::Relaxed) {
            let why = "the SMTP server is away";
            return Ok(mail::store::put_off(&self.pool, mail, Duration::ZERO, false, why).await?);
        }
        let began = Instant::now();
        let outcome = self.mailer.send(letter, self.clock.now()).await;
        self.metrics.tried(mail.topic.kind(), &outcome, began.elapsed());
        match outcome {
            Ok(()) => {
                going.sent.fetch_add(1, Ordering::Relaxed);
                if !mail::store::sent(&self.pool, mail).await? {
                    tracing::warn!(mail = %mail.id, "another sender was faster: a mail went twice");
                }
                Ok(())
            }
            Err(MailError::Refused(why)) => Ok(self.bury(mail, &why).await?),
            Err(MailError::Later(why)) => match backoff::delay(mail.id, mail.failures + 1) {
                Some(delay) => Ok(mail::store::put_off(&self.pool, mail, delay, true, &why).await?),
                None => Ok(self.bury(mail, &format!("given up: {why}")).await?),
            },
            Err(MailError::Away(why)) => {
                going.is_away.store(true, Ordering::Relaxed);
                mail::store::put_off(&self.pool, mail, Duration::ZERO, false, &why).await?;
                Err(anyhow::anyhow!(why))
            }
        }
    }

    /// To the dead letters with it.
    async fn bury(&self, mail: &Mail, why: &str) -> Result<(), sqlx::Error> {
        let kind = mail.topic.kind();
        let dead = Dead { mail: mail.id, kind: kind.to_owned() };
        let payload = serde_json::to_vec(&dead).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        let position = format!("{kind} {}", mail.id);
        let failure = Failure::new(SOURCE, &position, why, &payload);
        let mut tx = self.pool.begin().await?;
        if mail::store::give_up(&mut *tx, mail, why).await? {
            dead_letters::store::insert(&mut *tx, failure, self.clock.now()).await?;
            tracing::warn!(mail = %mail.id, kind, why, "a mail is given up");
        }
        tx.commit().await?;
        self.metrics.buried(kind);
        Ok(())
    }

    /// Shows what waits, as metrics.
    pub async fn measure(&self) -> sqlx::Result<()> {
        let backlog = mail::store::backlog(&self.pool).await?;
        self.metrics.waiting(backlog, self.clock.now());
        Ok(())
    }

    /// Forgets mails that were sent long ago; says how many.
    pub async fn forget(&self) -> sqlx::Result<u64> {
        mail::store::forget(&self.pool, self.config.mail.keep, FORGOTTEN).await
    }
}

/// Replays mails that were given up: they are sent once more.
pub struct MailReplay;

#[async_trait]
impl Replay for MailReplay {
    fn queue(&self) -> &str {
        SOURCE
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        let dead: Dead = serde_json::from_slice(&letter.payload)?;
        anyhow::ensure!(
            mail::store::revive(tx, dead.mail).await?,
            "the mail {} is not among those that were given up",
            dead.mail
        );
        Ok(())
    }
}
