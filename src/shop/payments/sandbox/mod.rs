//! The sandbox: a payment provider that keeps its book in a table and moves no money.
//!
//! It behaves as an honest provider on a bad line would. The book is what tests and audits
//! reconcile orders with: one charge at most a key. Its clock is Postgres', for every process
//! asks the same provider.

use std::{str::FromStr, time::Duration};

use async_trait::async_trait;
use sqlx::PgPool;

use super::{
    Booked, Charge, Method, Payment, Provider, ProviderError, Refund, Refunded, TotalRefused,
    UnknownMethod,
};
use crate::kernel::{clock::Timestamp, money::Money};

mod store;

/// How the sandbox treats a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// Authorised at once.
    Ok,
    /// Declined at once.
    Declined,
    /// Authorised, but nobody hears of it before five seconds are over.
    Timeout,
    /// Authorised after two seconds.
    Slow,
}

impl Card {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Declined, Self::Timeout, Self::Slow];

    /// Its name in the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "card_ok",
            Self::Declined => "card_declined",
            Self::Timeout => "card_timeout",
            Self::Slow => "card_slow",
        }
    }

    /// How long until anybody can know the outcome.
    fn known_after(self) -> Duration {
        match self {
            Self::Ok | Self::Declined => Duration::ZERO,
            Self::Timeout => Duration::from_secs(5),
            Self::Slow => Duration::from_secs(2),
        }
    }
}

impl FromStr for Card {
    type Err = UnknownMethod;
    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let expected = "card_ok, card_declined, card_timeout or card_slow";
        Self::ALL.into_iter().find(|card| card.as_str() == name).ok_or(UnknownMethod { expected })
    }
}

/// The sandbox provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pool: PgPool,
    timeout: Duration,
}

impl Sandbox {
    /// Its name, as orders keep it.
    pub const NAME: &str = "sandbox";

    /// A provider that keeps its book in `pool`; a caller of [`Provider::authorise`] waits for
    /// `timeout` at most.
    #[must_use]
    pub fn new(pool: PgPool, timeout: Duration) -> Self {
        Self { pool, timeout }
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn accepts(&self, method: &Method) -> Result<(), UnknownMethod> {
        method.as_str().parse::<Card>().map(drop)
    }

    fn accepts_total(&self, _: Money) -> Result<(), TotalRefused> {
        Ok(())
    }

    fn prepares(&self) -> bool {
        false
    }

    async fn prepare(&self, payment: &Payment) -> Result<String, ProviderError> {
        Ok(payment.order.to_string())
    }

    async fn authorise(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let card: Card = payment.method.as_str().parse().map_err(wrong)?;
        let declined = card == Card::Declined;
        let (key, amount) = (payment.order, payment.amount);
        let wait = store::enter(&self.pool, key, amount, declined, card.known_after())
            .await
            .map_err(no_answer)?;
        // A caller on a bad line hangs up after his timeout; the charge goes on without him.
        tokio::time::sleep(wait.min(self.timeout)).await;
        if wait > self.timeout { Ok(Charge::Pending) } else { self.lookup(payment).await }
    }

    async fn lookup(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        store::read(&self.pool, payment.order).await.map_err(no_answer)
    }

    async fn capture(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        store::capture(&self.pool, payment.order).await.map_err(no_answer)?;
        self.lookup(payment).await
    }

    async fn void(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        store::void(&self.pool, payment.order).await.map_err(no_answer)
    }

    async fn refund(&self, payment: &Payment, refund: Refund) -> Result<Refunded, ProviderError> {
        store::refund(&self.pool, payment.order, refund).await.map_err(no_answer)
    }

    async fn book(&self, since: Timestamp) -> Result<Vec<Booked>, ProviderError> {
        store::book(&self.pool, since).await.map_err(no_answer)
    }
}

impl From<Card> for Method {
    fn from(card: Card) -> Self {
        Self(card.as_str().to_owned())
    }
}

fn no_answer(error: sqlx::Error) -> ProviderError {
    ProviderError::NoAnswer(error.into())
}

fn wrong(error: UnknownMethod) -> ProviderError {
    ProviderError::Wrong(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_read_back_from_their_names() {
        for card in Card::ALL {
            assert_eq!(card.as_str().parse(), Ok(card));
        }
        assert!("card_gold".parse::<Card>().is_err());
    }
}
