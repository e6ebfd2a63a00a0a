//! Takes events over: each becomes a delivery to every endpoint that asks for its type.

use async_trait::async_trait;
use sqlx::PgConnection;

use crate::{
    kernel::ids::{DeliveryId, Ids},
    shop::{
        events::{Consumer, Event, Fact, Fault},
        webhooks,
    },
};

/// Asks for deliveries.
#[derive(Debug, Clone)]
pub struct WebhookConsumer {
    ids: Ids,
}

impl WebhookConsumer {
    /// Names deliveries by `ids`.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Self { ids }
    }
}

#[async_trait]
impl Consumer for WebhookConsumer {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    fn keys(&self) -> &'static [&'static str] {
        Fact::KINDS
    }

    async fn take(&self, tx: &mut PgConnection, event: &Event) -> Result<(), Fault> {
        let asking = webhooks::queue::asking(&mut *tx, event.kind()).await?;
        if asking.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_vec(event).map_err(|error| Fault::Park(error.to_string()))?;
        let deliveries: Vec<_> =
            asking.into_iter().map(|endpoint| (DeliveryId(self.ids.unique()), endpoint)).collect();
        let event = (event.id, event.kind(), body.as_slice());
        Ok(webhooks::queue::insert(tx, &deliveries, event).await?)
    }
}
