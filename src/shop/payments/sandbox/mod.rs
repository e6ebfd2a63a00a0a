//! The sandbox: a payment provider that keeps its book in a table and moves no money.
//!
//! It behaves as an honest provider on a bad line would. The book is what tests and audits
//! reconcile orders with: one charge at most a key. Its clock is Postgres', for every process
//! asks the same provider.

use std::{str::FromStr, time::Duration};

use sqlx::PgPool;
use thiserror::Error;

use super::{Charge, NoAnswer};
use crate::kernel::{ids::OrderId, money::Money};

pub mod store;

/// How the sandbox treats a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Authorised at once.
    CardOk,
    /// Declined at once.
    CardDeclined,
    /// Authorised, but nobody hears of it before five seconds are over.
    CardTimeout,
    /// Authorised after two seconds.
    CardSlow,
}

/// Not a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected card_ok, card_declined, card_timeout or card_slow")]
pub struct UnknownMethod;

impl Method {
    /// Its name in the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardOk => "card_ok",
            Self::CardDeclined => "card_declined",
            Self::CardTimeout => "card_timeout",
            Self::CardSlow => "card_slow",
        }
    }

    /// How long until anybody can know the outcome.
    fn known_after(self) -> Duration {
        match self {
            Self::CardOk | Self::CardDeclined => Duration::ZERO,
            Self::CardTimeout => Duration::from_secs(5),
            Self::CardSlow => Duration::from_secs(2),
        }
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;
    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        [Self::CardOk, Self::CardDeclined, Self::CardTimeout, Self::CardSlow]
            .into_iter()
            .find(|method| method.as_str() == name)
            .ok_or(UnknownMethod)
    }
}

/// The sandbox provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pool: PgPool,
    timeout: Duration,
}

impl Sandbox {
    /// A provider that keeps its book in `pool`; a caller of [`Self::authorise`] waits for
    /// `timeout` at most.
    #[must_use]
    pub fn new(pool: PgPool, timeout: Duration) -> Self {
        Self { pool, timeout }
    }

    /// Asks for `amount` under `key`. Repeated, it answers for the charge that stands there.
    pub async fn authorise(
        &self,
        key: OrderId,
        amount: Money,
        method: Method,
    ) -> Result<Charge, NoAnswer> {
        let declined = method == Method::CardDeclined;
        let open = store::enter(&self.pool, key, amount, declined, method.known_after()).await;
        let wait = open.map_err(NoAnswer)?;
        // A caller on a bad line hangs up after his timeout; the charge goes on without him.
        tokio::time::sleep(wait.min(self.timeout)).await;
        if wait > self.timeout { Ok(Charge::Pending) } else { self.lookup(key).await }
    }

    /// What became of the charge under `key`.
    pub async fn lookup(&self, key: OrderId) -> Result<Charge, NoAnswer> {
        store::read(&self.pool, key).await.map_err(NoAnswer)
    }

    /// Takes the money that was set aside. Answers [`Charge::Captured`], also when it was taken
    /// before; anything else is the state in which there is nothing to take.
    pub async fn capture(&self, key: OrderId) -> Result<Charge, NoAnswer> {
        store::capture(&self.pool, key).await.map_err(NoAnswer)?;
        self.lookup(key).await
    }

    /// Cancels the key, whatever the provider knows of it: what was set aside is released, and an
    /// authorisation that comes later fails. Answers [`Charge::Voided`], or the state that cannot
    /// be undone: captured, or declined before, which leaves nothing to release.
    pub async fn void(&self, key: OrderId) -> Result<Charge, NoAnswer> {
        store::void(&self.pool, key).await.map_err(NoAnswer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_back_from_their_names() {
        for name in ["card_ok", "card_declined", "card_timeout", "card_slow"] {
            assert_eq!(name.parse::<Method>().unwrap().as_str(), name);
        }
        assert!("card_gold".parse::<Method>().is_err());
    }
}
