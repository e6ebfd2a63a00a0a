//! The sandbox behind other manners: one that wants payments prepared, and a line that loses what is
//! said on it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::PgPool;
use stampede::{
    kernel::{clock::Timestamp, money::Money},
    shop::payments::{
        Booked, Charge, Method, Payment, Provider, ProviderError, Refund, Refunded, TotalRefused,
        UnknownMethod, sandbox::Sandbox,
    },
};

/// What becomes of a request.
#[derive(Clone, Copy)]
enum Road {
    Answered,
    /// It never arrives.
    Lost,
    /// It arrives, its answer does not.
    Unanswered,
    /// It arrives later, and nobody waits for the answer.
    Late,
}

/// A sandbox that wants payments prepared, on a line that is as bad as `odds` says.
#[derive(Clone)]
pub(super) struct Line {
    sandbox: Sandbox,
    dice: Arc<Mutex<StdRng>>,
    /// Of ten requests, how many go astray.
    odds: u32,
    /// A void releases what is set aside, and that is all: the key is not cancelled.
    forgets_voids: Option<PgPool>,
}

impl Line {
    /// How late an authorisation is with a provider that forgets voids: later than a checkout takes
    /// to be given up.
    pub(super) const LATE: Duration = Duration::from_secs(2);

    /// One that works.
    pub(super) fn good(sandbox: Sandbox) -> Self {
        Self::bad(sandbox, 0, 0)
    }

    pub(super) fn bad(sandbox: Sandbox, odds: u32, seed: u64) -> Self {
        Self {
            sandbox,
            dice: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
            odds,
            forgets_voids: None,
        }
    }

    /// The negative control: a provider that a late authorisation still reaches after a void.
    pub(super) fn forgetting_voids(self, pool: PgPool) -> Self {
        Self { forgets_voids: Some(pool), ..self }
    }

    fn road(&self) -> Road {
        let mut dice = self.dice.lock().unwrap();
        if dice.random_range(0..10) >= self.odds {
            return Road::Answered;
        }
        match dice.random_range(0..3) {
            0 => Road::Lost,
            1 => Road::Unanswered,
            _ => Road::Late,
        }
    }

    async fn send<T, F>(&self, ask: impl FnOnce(Sandbox) -> F) -> Result<T, ProviderError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ProviderError>> + Send + 'static,
    {
        let lost = || ProviderError::NoAnswer(anyhow::anyhow!("the line is bad"));
        let asked = ask(self.sandbox.clone());
        match self.road() {
            Road::Answered => asked.await,
            Road::Lost => Err(lost()),
            Road::Unanswered => {
                let _ = asked.await;
                Err(lost())
            }
            Road::Late => {
                let millis = self.dice.lock().unwrap().random_range(1..40);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    let _ = asked.await;
                });
                Err(lost())
            }
        }
    }
}

#[async_trait]
impl Provider for Line {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn accepts(&self, method: &Method) -> Result<(), UnknownMethod> {
        self.sandbox.accepts(method)
    }

    fn accepts_total(&self, total: Money) -> Result<(), TotalRefused> {
        self.sandbox.accepts_total(total)
    }

    fn prepares(&self) -> bool {
        true
    }

    async fn prepare(&self, payment: &Payment) -> Result<String, ProviderError> {
        let payment = payment.clone();
        self.send(|sandbox| async move { sandbox.prepare(&payment).await }).await
    }

    async fn authorise(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let name = payment.order.to_string();
        assert_eq!(payment.reference.as_ref(), Some(&name), "the name is on record before");
        let payment = payment.clone();
        if self.forgets_voids.is_some() {
            // what the rule is there for: an authorisation that arrives after the void
            let sandbox = self.sandbox.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Self::LATE).await;
                let _ = sandbox.authorise(&payment).await;
            });
            return Err(ProviderError::NoAnswer(anyhow::anyhow!("the line is bad")));
        }
        self.send(|sandbox| async move { sandbox.authorise(&payment).await }).await
    }

    async fn lookup(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let payment = payment.clone();
        self.send(|sandbox| async move { sandbox.lookup(&payment).await }).await
    }

    async fn capture(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let payment = payment.clone();
        self.send(|sandbox| async move { sandbox.capture(&payment).await }).await
    }

    async fn void(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let payment = payment.clone();
        if let Some(pool) = &self.forgets_voids {
            sqlx::query("DELETE FROM sandbox_payments WHERE key = $1")
                .bind(payment.order.0)
                .execute(pool)
                .await
                .unwrap();
            return Ok(Charge::Voided);
        }
        self.send(|sandbox| async move { sandbox.void(&payment).await }).await
    }

    async fn refund(&self, payment: &Payment, refund: Refund) -> Result<Refunded, ProviderError> {
        let payment = payment.clone();
        self.send(|sandbox| async move { sandbox.refund(&payment, refund).await }).await
    }

    async fn book(&self, since: Timestamp) -> Result<Vec<Booked>, ProviderError> {
        self.sandbox.book(since).await
    }
}
