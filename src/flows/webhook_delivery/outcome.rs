//! How a request went, on record: in one transaction with all that follows from it.

use std::time::Duration;

use sqlx::PgConnection;

use super::{Attempt, Dead, SOURCE, WebhookDelivery};
use crate::{
    platform::backoff,
    shop::{
        dead_letters,
        mail::{self, Topic},
        webhooks::{self, Delivery, Disabled, queue::Tried},
    },
};

impl WebhookDelivery {
    pub(super) async fn write_down(
        &self,
        delivery: &Delivery,
        attempt: &Attempt,
    ) -> sqlx::Result<()> {
        let tried = Tried {
            took_ms: i32::try_from(attempt.took.as_millis()).unwrap_or(i32::MAX),
            answer: attempt.answer.and_then(|status| i16::try_from(status).ok()),
            error: attempt.failure.as_ref().map(|failure| failure.said.as_str()),
        };
        if attempt.failure.is_none() {
            return webhooks::queue::delivered(&self.pool, delivery, &tried).await;
        }
        let mut tx = self.pool.begin().await?;
        if self.retry_or_bury(&mut tx, delivery, attempt, &tried).await? {
            self.judge(&mut tx, delivery, attempt).await?;
        }
        tx.commit().await
    }

    /// Says whether this owner still was the owner.
    async fn retry_or_bury(
        &self,
        tx: &mut PgConnection,
        delivery: &Delivery,
        attempt: &Attempt,
        tried: &Tried<'_>,
    ) -> sqlx::Result<bool> {
        // what is gone is disabled: this one waits with the others, should it come back
        let delay = if attempt.is_gone() {
            Some(Duration::ZERO)
        } else {
            backoff::delay(delivery.id.0, delivery.attempt)
        };
        if let Some(delay) = delay {
            return webhooks::queue::put_off(&mut *tx, delivery, delay, tried).await;
        }
        if !webhooks::queue::give_up(&mut *tx, delivery, tried).await? {
            return Ok(false);
        }
        let dead = Dead { delivery: delivery.id, kind: delivery.kind.clone() };
        let payload = serde_json::to_vec(&dead).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        let (endpoint, kind) = (delivery.endpoint, &delivery.kind);
        let position = format!("{kind} to {endpoint}, attempt {}", delivery.attempt);
        let reason = match (tried.answer, tried.error) {
            (Some(answer), Some(said)) => format!("answered {answer}: {said}"),
            (_, said) => said.unwrap_or_default().to_owned(),
        };
        let endpoint_id = endpoint.to_string();
        let failure = dead_letters::Failure::new(SOURCE, &position, &reason, &payload)
            .about(Some(&endpoint_id))
            .tried(delivery.attempt.into());
        dead_letters::store::insert(&mut *tx, failure, self.clock.now()).await?;
        tracing::warn!(%endpoint, kind, reason, "a delivery is given up");
        self.metrics.buried();
        Ok(true)
    }

    /// What the failure means for the endpoint.
    async fn judge(
        &self,
        tx: &mut PgConnection,
        delivery: &Delivery,
        attempt: &Attempt,
    ) -> sqlx::Result<()> {
        let limit = self.config.webhooks.disable_after;
        let too_long = webhooks::store::failed(&mut *tx, delivery.endpoint, limit).await?;
        let why = match (attempt.is_gone(), too_long) {
            (true, _) => Disabled::Gone,
            (_, true) => Disabled::Failing,
            _ => return Ok(()),
        };
        if !webhooks::store::disable(&mut *tx, delivery.endpoint, why).await? {
            return Ok(());
        }
        tracing::warn!(endpoint = %delivery.endpoint, why = why.as_str(), "a webhook is disabled");
        self.metrics.disabled(why);
        if self.config.mail.merchant.is_some() {
            let topic = Topic::EndpointDisabled(delivery.endpoint);
            mail::store::insert(tx, self.ids.unique(), self.ids.unique(), topic).await?;
        }
        Ok(())
    }
}
