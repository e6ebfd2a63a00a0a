//! Stripe: card payments by `PaymentIntent`s that are captured by us.
//!
//! The intent is made unconfirmed, and its id is on record before it is confirmed: so an outcome
//! that was lost is asked for by id, and whatever is repeated is repeated on the one intent, which
//! can succeed once. Each request that changes something carries an idempotency key made from the
//! order's or the refund's id, and always the same parameters.
//!
//! Spoken with by a plain HTTP client and the few fields that are looked at: the client crate
//! (`async-stripe`) is a release candidate still, brings hundreds of types, and pins an API version
//! of its own.

mod amounts;
mod client;
mod model;
pub mod notice;
pub mod signature;
mod words;

use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use reqwest::Method as Verb;

use super::{
    Booked, Charge, Method, Payment, Provider, ProviderError, Refund, Refunded, TotalRefused,
    UnknownMethod,
};
use crate::{
    kernel::{clock::Timestamp, money::Money},
    platform::secret::{Secret, ServiceUrl},
};
use client::{Answer, Client, Form};
use model::{Intent, List, StripeRefund};

/// Payments listed in one request; Stripe gives no more.
const PAGE: usize = 100;
/// Pages of an audit: more than a busy shop has in a day.
const MOST_PAGES: u32 = 2_000;

/// What the adapter must know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Stripe is.
    pub api_url: ServiceUrl,
    /// Authenticates us.
    pub secret_key: Secret,
    /// How long a request may take.
    pub timeout: Duration,
    /// Where the shop is, without a slash at its end: a bank sends shoppers back there.
    pub public_url: String,
}

/// The Stripe provider.
#[derive(Debug)]
pub struct Stripe {
    client: Client,
    public_url: String,
}

impl Stripe {
    /// Its name, as orders keep it.
    pub const NAME: &str = "stripe";

    /// A client with connections of its own, made when they are needed.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let client = Client::new(&settings.api_url, settings.secret_key, settings.timeout)?;
        Ok(Self { client, public_url: settings.public_url })
    }

    /// A total as Stripe writes it, for its script; `None` for one that it cannot charge.
    #[must_use]
    pub fn amount(total: Money) -> Option<i64> {
        amounts::to_stripe(total).ok()
    }

    async fn intent(
        &self,
        payment: &Payment,
        verb: &str,
        form: Form,
    ) -> Result<Charge, ProviderError> {
        let Some(reference) = &payment.reference else {
            return Err(ProviderError::Wrong(anyhow!("an unprepared payment cannot {verb}")));
        };
        let path = format!("payment_intents/{reference}/{verb}");
        let key = format!("{}-{verb}", payment.order);
        match self.client.send::<Intent>(Verb::POST, &path, form, Some(&key)).await? {
            Answer::Found(intent) => charge_of(&intent, payment),
            // The intent is in another state than this verb wants: which one, it says itself.
            Answer::Refused(refusal) if refusal.is_of_state() => self.lookup(payment).await,
            Answer::Refused(refusal) => match words::declined(&refusal) {
                Some(reason) => Ok(Charge::Declined(reason)),
                None => Err(ProviderError::Wrong(anyhow!("{verb}: {refusal}"))),
            },
        }
    }

    /// The refund of this id, if Stripe has it.
    async fn known_refund(
        &self,
        reference: &str,
        refund: Refund,
    ) -> Result<Option<Refunded>, ProviderError> {
        let form = Form::new().with("payment_intent", reference).with("limit", PAGE);
        let found =
            self.client.send::<List<StripeRefund>>(Verb::GET, "refunds", form, None).await?;
        let Answer::Found(list) = found else { return Ok(None) };
        let ours = list.data.iter().find(|one| one.metadata.is_of(refund.id));
        Ok(ours.map(StripeRefund::outcome))
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn accepts(&self, method: &Method) -> Result<(), UnknownMethod> {
        let known = ["pm_", "ctoken_"].iter().any(|prefix| method.as_str().starts_with(prefix));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if known && method.as_str().bytes().all(plain) {
            Ok(())
        } else {
            Err(UnknownMethod {
                expected: "a payment method (pm_…) or confirmation token (ctoken_…)",
            })
        }
    }

    fn accepts_total(&self, total: Money) -> Result<(), TotalRefused> {
        amounts::to_stripe(total).map(drop)
    }

    fn prepares(&self) -> bool {
        true
    }

    async fn prepare(&self, payment: &Payment) -> Result<String, ProviderError> {
        let amount = amounts::to_stripe(payment.amount)
            .map_err(|refused| ProviderError::Wrong(refused.into()))?;
        let form = Form::new()
            .with("amount", amount)
            .with("currency", payment.amount.currency.to_string().to_lowercase())
            .with("capture_method", "manual")
            .with("payment_method_types[]", "card")
            .with("metadata[order]", payment.order)
            .with("metadata[sale]", &payment.sale)
            .with("description", format_args!("{} in {}", payment.order, payment.sale));
        let key = payment.order.to_string();
        match self.client.send::<Intent>(Verb::POST, "payment_intents", form, Some(&key)).await? {
            Answer::Found(intent) => {
                intent.check(payment)?;
                Ok(intent.id)
            }
            Answer::Refused(refusal) => Err(ProviderError::Wrong(anyhow!("prepare: {refusal}"))),
        }
    }

    async fn authorise(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let method = payment.method.as_str();
        let kind =
            if method.starts_with("ctoken_") { "confirmation_token" } else { "payment_method" };
        let back = format!("{}/orders/{}", self.public_url, payment.order);
        let form = Form::new().with(kind, method).with("return_url", back);
        self.intent(payment, "confirm", form).await
    }

    async fn lookup(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        let Some(reference) = &payment.reference else { return Ok(Charge::Unknown) };
        let path = format!("payment_intents/{reference}");
        match self.client.send::<Intent>(Verb::GET, &path, Form::new(), None).await? {
            Answer::Found(intent) => charge_of(&intent, payment),
            Answer::Refused(refusal) => {
                Err(ProviderError::Wrong(anyhow!("{reference} is gone: {refusal}")))
            }
        }
    }

    async fn capture(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        self.intent(payment, "capture", Form::new()).await
    }

    /// A payment whose id is not on record was never confirmed, and nobody can confirm it any
    /// more: the record that would allow it is refused to whoever was overtaken.
    async fn void(&self, payment: &Payment) -> Result<Charge, ProviderError> {
        if payment.reference.is_none() {
            return Ok(Charge::Voided);
        }
        self.intent(payment, "cancel", Form::new()).await
    }

    async fn refund(&self, payment: &Payment, refund: Refund) -> Result<Refunded, ProviderError> {
        let Some(reference) = &payment.reference else {
            return Ok(Refunded::Refused("the payment was never prepared".to_owned()));
        };
        // Idempotency keys are forgotten after a day; the refund itself is not.
        if let Some(known) = self.known_refund(reference, refund).await? {
            return Ok(known);
        }
        let amount = amounts::converted(refund.amount)
            .ok_or_else(|| ProviderError::Wrong(anyhow!("not an amount that Stripe can move")))?;
        let form = Form::new()
            .with("payment_intent", reference)
            .with("amount", amount)
            .with("metadata[order]", payment.order)
            .with("metadata[refund]", refund.id.as_simple());
        let key = refund.id.as_simple().to_string();
        match self.client.send::<StripeRefund>(Verb::POST, "refunds", form, Some(&key)).await? {
            Answer::Found(refund) => Ok(refund.outcome()),
            Answer::Refused(refusal) => Ok(Refunded::Refused(refusal.to_string())),
        }
    }

    async fn book(&self, since: Timestamp) -> Result<Vec<Booked>, ProviderError> {
        let (mut booked, mut after) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut form = Form::new()
                .with("created[gte]", since.timestamp())
                .with("limit", PAGE)
                .with("expand[]", "data.latest_charge");
            if let Some(last) = &after {
                form = form.with("starting_after", last);
            }
            let page =
                self.client.send::<List<Intent>>(Verb::GET, "payment_intents", form, None).await?;
            let Answer::Found(page) = page else { break };
            after = page.data.last().map(|intent| intent.id.clone());
            booked.extend(page.data.iter().filter_map(Intent::booked));
            if !page.has_more {
                return Ok(booked);
            }
        }
        Err(ProviderError::NoAnswer(anyhow!("the provider's list does not end")))
    }
}

fn charge_of(intent: &Intent, payment: &Payment) -> Result<Charge, ProviderError> {
    intent.check(payment)?;
    Ok(intent.charge())
}
