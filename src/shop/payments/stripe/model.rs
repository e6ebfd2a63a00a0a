//! The fields of Stripe's objects that are looked at. What else they have is passed over.

use anyhow::anyhow;
use serde::Deserialize;

use super::{amounts, client::Refusal, words};
use crate::{
    kernel::{
        clock::from_millis,
        ids::{OrderId, RefundId},
        money::{Currency, Money},
    },
    shop::payments::{Booked, Charge, Payment, ProviderError, Refunded},
};

#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    amount: i64,
    currency: String,
    status: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    last_payment_error: Option<Refusal>,
    #[serde(default)]
    next_action: Option<NextAction>,
    /// An id, or the whole charge if it was asked for.
    #[serde(default)]
    latest_charge: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    refund: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<Redirect>,
}

#[derive(Debug, Deserialize)]
struct Redirect {
    url: String,
}

/// A page of objects.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeRefund {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    failure_reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

impl Intent {
    /// Whether it is for what was asked: this order, this amount in this currency.
    pub(super) fn check(&self, payment: &Payment) -> Result<(), ProviderError> {
        let asked = amounts::converted(payment.amount);
        let currency = payment.amount.currency.to_string();
        if asked != Some(self.amount) || !currency.eq_ignore_ascii_case(&self.currency) {
            let (amount, found) = (self.amount, &self.currency);
            return Err(ProviderError::Wrong(anyhow!(
                "{} is for {amount} {found}, asked was {}",
                self.id,
                payment.amount
            )));
        }
        match self.order() {
            Some(order) if order != payment.order => {
                Err(ProviderError::Wrong(anyhow!("{} is for {order}", self.id)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn order(&self) -> Option<OrderId> {
        self.metadata.order.as_ref()?.parse().ok()
    }

    pub(super) fn charge(&self) -> Charge {
        match self.status.as_str() {
            "requires_capture" => Charge::Authorised,
            "succeeded" => Charge::Captured,
            "canceled" => Charge::Voided,
            "requires_payment_method" => match &self.last_payment_error {
                Some(refusal) => {
                    Charge::Declined(words::declined(refusal).unwrap_or(words::DECLINED))
                }
                None => Charge::Unknown,
            },
            "requires_confirmation" => Charge::Unknown,
            "requires_action" => self
                .next_action
                .as_ref()
                .and_then(|action| action.redirect_to_url.as_ref())
                .map_or(Charge::Pending, |redirect| Charge::ActionNeeded(redirect.url.clone())),
            // `processing`, and whatever comes to be
            _ => Charge::Pending,
        }
    }

    /// As an audit compares it; `None` for money that is none of ours.
    pub(super) fn booked(&self) -> Option<Booked> {
        let currency: Currency = self.currency.to_uppercase().parse().ok()?;
        let minor = |amount: i64| amounts::from_stripe(amount, currency);
        let refunded = self.latest_charge.as_ref().and_then(|charge| charge.get("amount_refunded"));
        Some(Booked {
            reference: self.id.clone(),
            order: Some(self.order()?),
            charge: self.charge(),
            amount: Money { amount: minor(self.amount)?, currency },
            refunded: minor(refunded.and_then(serde_json::Value::as_i64).unwrap_or_default())?,
            begun_at: from_millis(self.created.checked_mul(1_000)?),
        })
    }
}

impl Metadata {
    pub(super) fn is_of(&self, refund: RefundId) -> bool {
        self.refund.as_deref() == Some(&*refund.as_simple().to_string())
    }
}

impl StripeRefund {
    pub(super) fn outcome(&self) -> Refunded {
        match self.status.as_deref() {
            Some("succeeded") => Refunded::Done,
            Some("failed" | "canceled") => Refunded::Refused(
                self.failure_reason.clone().unwrap_or_else(|| "failed".to_owned()),
            ),
            _ => Refunded::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(json: &serde_json::Value) -> Intent {
        let mut whole = serde_json::json!({
            "id": "pi_1", "amount": 12900, "currency": "eur", "status": "requires_capture",
        });
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn every_status_says_how_the_charge_stands() {
        let with = |status: &str| intent(&serde_json::json!({ "status": status })).charge();
        assert_eq!(with("requires_capture"), Charge::Authorised);
        assert_eq!(with("succeeded"), Charge::Captured);
        assert_eq!(with("canceled"), Charge::Voided);
        assert_eq!(with("requires_confirmation"), Charge::Unknown);
        assert_eq!(with("requires_payment_method"), Charge::Unknown);
        assert_eq!(with("processing"), Charge::Pending);
        assert_eq!(with("something_new"), Charge::Pending);
        let declined = intent(&serde_json::json!({
            "status": "requires_payment_method",
            "last_payment_error": { "type": "card_error", "code": "expired_card" },
        }));
        assert_eq!(declined.charge(), Charge::Declined("expired_card"));
        let action = intent(&serde_json::json!({
            "status": "requires_action",
            "next_action": { "redirect_to_url": { "url": "https://bank.example/3ds" } },
        }));
        assert_eq!(action.charge(), Charge::ActionNeeded("https://bank.example/3ds".to_owned()));
    }
}
