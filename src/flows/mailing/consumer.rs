//! Takes events over: each becomes a mail to send, or nothing.

use async_trait::async_trait;
use sqlx::PgConnection;

use crate::{
    kernel::ids::Ids,
    shop::{
        events::{Consumer, Event, Fact, Fault},
        mail::{self, Topic},
    },
};

/// Cancellations that a buyer may not have seen: he was too late, perhaps by a minute, or the merchant
/// cancelled it. All others are answers to what he has just done.
const UNSEEN: [&str; 2] = ["hold_expired", "cancelled_by_merchant"];

/// Asks for mails.
#[derive(Debug, Clone)]
pub struct MailConsumer {
    ids: Ids,
}

impl MailConsumer {
    /// Names mails by `ids`.
    #[must_use]
    pub fn new(ids: Ids) -> Self {
        Self { ids }
    }
}

#[async_trait]
impl Consumer for MailConsumer {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["order.paid.v1", "order.declined.v1", "order.cancelled.v1", "order.refunded.v1"]
    }

    async fn take(&self, tx: &mut PgConnection, event: &Event) -> Result<(), Fault> {
        let Some(topic) = topic(&event.fact) else { return Ok(()) };
        Ok(mail::store::insert(tx, self.ids.unique(), event.id, topic).await?)
    }
}

fn topic(fact: &Fact) -> Option<Topic> {
    match fact {
        Fact::OrderPaid(order) => Some(Topic::OrderPaid(order.order)),
        Fact::OrderDeclined(order) => Some(Topic::PaymentFailed(order.order)),
        Fact::OrderCancelled(order)
            if order.reason.as_deref().is_some_and(|reason| UNSEEN.contains(&reason)) =>
        {
            Some(Topic::PaymentFailed(order.order))
        }
        Fact::OrderRefunded(refund) => {
            Some(Topic::OrderRefunded(refund.order.order, refund.amount.amount))
        }
        _ => None,
    }
}
