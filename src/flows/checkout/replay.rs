//! What was left to an operator, tried once more when he says so.

use anyhow::Context;
use async_trait::async_trait;
use sqlx::PgConnection;

use super::{PARKED, PARKED_NOTICES, store};
use crate::shop::{
    dead_letters::{DeadLetter, Replay},
    payments::notices,
};

/// Replays parked checkouts: whoever resumes takes them up at once.
pub struct CheckoutReplay;

#[async_trait]
impl Replay for CheckoutReplay {
    fn queue(&self) -> &str {
        PARKED
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        Ok(store::wake(tx, letter.position.parse()?).await?)
    }
}

/// Replays parked notices of payment providers.
pub struct NoticeReplay;

#[async_trait]
impl Replay for NoticeReplay {
    fn queue(&self) -> &str {
        PARKED_NOTICES
    }

    async fn replay(&self, tx: &mut PgConnection, letter: &DeadLetter) -> anyhow::Result<()> {
        let (provider, id) = letter.position.split_once(' ').context("no provider and id")?;
        Ok(notices::store::once_more(tx, provider, id).await?)
    }
}
