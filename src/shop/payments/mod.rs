//! Charging money: what any payment provider is asked, and those that can be asked.
//!
//! A charge is made under a key, the order's id: asked twice under one key, a provider charges
//! once. It may have to be prepared; it is authorised (the money is set aside), then captured or
//! voided. Voiding cancels the key itself, so that an authorisation that arrives later fails. What
//! was captured is given back by refunds, each under a key of its own.
//!
//! A provider answers or does not; it never guesses. What is not known is asked for
//! ([`Provider::lookup`]), and asking changes nothing.

mod charge;
pub mod notices;
pub mod sandbox;
pub mod stripe;

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

pub use charge::{Booked, Charge, Method, Payment, Refund, Refunded, TotalRefused, UnknownMethod};

use crate::kernel::{clock::Timestamp, money::Money};

/// Why a provider did not do what it was asked.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// It did not answer, or not in time, or not now: what was asked of it may or may not have
    /// happened. Asked again in the same words, it does no harm.
    #[error("the payment provider did not answer")]
    NoAnswer(#[source] anyhow::Error),
    /// It answered something that cannot be, such as another amount than was asked for.
    #[error("the payment provider contradicts itself")]
    Wrong(#[source] anyhow::Error),
}

/// Who moves money.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name, as orders keep it.
    fn name(&self) -> &'static str;

    /// Whether this is a way to pay that it knows; the error says what is expected.
    fn accepts(&self, method: &Method) -> Result<(), UnknownMethod>;

    /// Whether it can charge so much at all.
    fn accepts_total(&self, total: Money) -> Result<(), TotalRefused>;

    /// Whether a payment must be made known to it before it is authorised.
    fn prepares(&self) -> bool;

    /// Makes the payment known, without charging anything, and gives the provider's own name for
    /// it: to be kept before it is authorised. Repeated, it gives the same name.
    async fn prepare(&self, payment: &Payment) -> Result<String, ProviderError>;

    /// Sets the money aside. Repeated, it answers for the charge that stands there.
    async fn authorise(&self, payment: &Payment) -> Result<Charge, ProviderError>;

    /// What became of the charge.
    async fn lookup(&self, payment: &Payment) -> Result<Charge, ProviderError>;

    /// Takes the money that was set aside. Answers [`Charge::Captured`], also when it was taken
    /// before; anything else is the state in which there is nothing to take.
    async fn capture(&self, payment: &Payment) -> Result<Charge, ProviderError>;

    /// Cancels the payment, whatever the provider knows of it: what was set aside is released, and
    /// an authorisation that comes later fails. Answers [`Charge::Voided`], or the state that cannot
    /// be undone: captured, or declined before, which leaves nothing to release.
    async fn void(&self, payment: &Payment) -> Result<Charge, ProviderError>;

    /// Gives captured money back, once under the refund's id, and never more than was captured.
    async fn refund(&self, payment: &Payment, refund: Refund) -> Result<Refunded, ProviderError>;

    /// Its own list of payments that were begun since then, for an audit.
    async fn book(&self, since: Timestamp) -> Result<Vec<Booked>, ProviderError>;
}

/// The providers of this shop. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    current: Arc<dyn Provider>,
    others: Vec<Arc<dyn Provider>>,
}

impl Payments {
    /// New orders are paid by `current`. The others still answer for the orders that they have.
    #[must_use]
    pub fn new(current: Arc<dyn Provider>, others: Vec<Arc<dyn Provider>>) -> Self {
        Self { current, others }
    }

    /// Who moves the money of new orders.
    #[must_use]
    pub fn current(&self) -> &dyn Provider {
        &*self.current
    }

    /// Who moves the money of an order that has this provider.
    pub fn of(&self, name: &str) -> Result<&dyn Provider, ProviderError> {
        self.all().find(|provider| provider.name() == name).ok_or_else(|| {
            let missing = anyhow::anyhow!("the provider {name:?} of the order is not configured");
            ProviderError::NoAnswer(missing)
        })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &dyn Provider> {
        std::iter::once(&self.current).chain(&self.others).map(|provider| &**provider)
    }
}

impl std::fmt::Debug for Payments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().map(Provider::name)).finish()
    }
}
