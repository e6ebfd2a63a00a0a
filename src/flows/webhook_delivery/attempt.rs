//! One request to an endpoint, and how it went.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use url::Url;

use super::WebhookDelivery;
use crate::{
    kernel::ids::DeliveryId,
    platform::outgoing::NoAnswer,
    shop::webhooks::{self, Delivery, Endpoint},
};

/// The type of the event that is sent to try an endpoint out.
pub const TEST_EVENT: &str = "webhook.test.v1";
/// Of an answer that was not enough, so many characters are kept.
const SAID: usize = 200;
/// "Gone": the endpoint asks for nothing more.
const GONE: u16 = 410;

/// How a request went.
#[derive(Debug)]
pub struct Attempt {
    /// How long it took.
    pub took: Duration,
    /// What the endpoint answered, if it did.
    pub answer: Option<u16>,
    /// Why that was not enough; without it, it was.
    pub failure: Option<Failure>,
}

/// Why a delivery was not taken.
#[derive(Debug)]
pub struct Failure {
    /// The kind of it, for metrics.
    pub kind: &'static str,
    /// In words.
    pub said: String,
}

impl Attempt {
    /// Whether the endpoint says that it is no more.
    pub(super) fn is_gone(&self) -> bool {
        self.answer == Some(GONE)
    }
}

impl WebhookDelivery {
    /// Sends an event to an endpoint to try it out, at once and once, enabled or not. It is not on
    /// record.
    pub async fn test(&self, endpoint: &Endpoint) -> anyhow::Result<Attempt> {
        let event = json!({
            "specversion": "1.0",
            "id": self.ids.unique(),
            "source": "/stampede",
            "subject": endpoint.id,
            "time": self.clock.now(),
            "type": TEST_EVENT,
            "data": { "endpoint": endpoint.id },
        });
        let delivery = Delivery {
            id: DeliveryId(self.ids.unique()),
            endpoint: endpoint.id,
            url: endpoint.url.clone(),
            keys: endpoint.keys.clone(),
            kind: TEST_EVENT.to_owned(),
            body: serde_json::to_vec(&event)?,
            attempt: 1,
        };
        Ok(self.attempt(&delivery).await)
    }

    pub(super) async fn attempt(&self, delivery: &Delivery) -> Attempt {
        let began = Instant::now();
        let asked = match (Url::parse(&delivery.url), self.headers(delivery)) {
            (Ok(url), Ok(headers)) => {
                self.outgoing.post(&url, headers, delivery.body.clone()).await
            }
            _ => Err(NoAnswer::Broken("the endpoint's address cannot be read".to_owned())),
        };
        let took = began.elapsed();
        match asked {
            Ok(answer) => Attempt {
                took,
                answer: Some(answer.status),
                failure: refusal(answer.status, &answer.excerpt),
            },
            Err(none) => {
                let kind = match none {
                    NoAnswer::Forbidden(_) => "forbidden",
                    NoAnswer::Late => "late",
                    NoAnswer::Broken(_) => "broken",
                };
                let failure = Some(Failure { kind, said: brief(&none.to_string()) });
                Attempt { took, answer: None, failure }
            }
        }
    }

    fn headers(&self, delivery: &Delivery) -> anyhow::Result<HeaderMap> {
        let (id, now) = (delivery.id.to_string(), self.clock.now());
        let signature = webhooks::signature(&delivery.keys, &id, now, &delivery.body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", now.timestamp().to_string()),
            ("webhook-signature", signature),
        ] {
            headers.insert(HeaderName::from_static(name), value.try_into()?);
        }
        Ok(headers)
    }
}

fn refusal(status: u16, body: &str) -> Option<Failure> {
    let (kind, said) = match status {
        200..=299 => return None,
        GONE => ("gone", "it says that it is gone".to_owned()),
        300..=399 => ("refused", "it answers with a redirect, which is not followed".to_owned()),
        _ => ("refused", brief(body)),
    };
    Some(Failure { kind, said })
}

/// The beginning of `text`, on one line that can be shown.
fn brief(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID).collect()
}
