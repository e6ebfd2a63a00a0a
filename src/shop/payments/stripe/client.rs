//! Requests to Stripe, and what kind of answer came.

use std::{fmt, time::Duration};

use anyhow::anyhow;
use bytes::BytesMut;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    platform::{
        secret::{Secret, ServiceUrl},
        tls,
    },
    shop::payments::ProviderError,
};

/// The version of the API that the fields in [`model`](super::model) are of; Stripe keeps to it
/// whatever the account is set to.
const API_VERSION: &str = "2025-09-30.clover";
/// A page of a hundred payments with their charges is some 600 KiB.
const LONGEST_ANSWER: usize = 8 << 20;
/// Connecting is a matter of a second, or somebody else's turn.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Fields of a request, in the order in which they were put in: the same request always has the
/// same bytes.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(&'static str, String)>);

impl Form {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// An answer that can be counted on.
#[derive(Debug)]
pub(super) enum Answer<T> {
    Found(T),
    /// What was asked for did not happen, and asking again changes nothing.
    Refused(Refusal),
}

/// Why a request was refused, as Stripe says it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    /// The field at fault.
    #[serde(default)]
    pub(super) param: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

impl Refusal {
    /// The object is in a state that this verb does not go with.
    pub(super) fn is_of_state(&self) -> bool {
        matches!(
            self.code.as_deref(),
            Some(
                "payment_intent_unexpected_state"
                    | "charge_already_captured"
                    | "charge_expired_for_capture"
            )
        )
    }

    /// What is at fault is the shopper's way to pay.
    pub(super) fn is_of_method(&self) -> bool {
        matches!(self.param.as_deref(), Some("payment_method" | "confirmation_token"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.kind, &self.code, &self.decline_code, &self.param, &self.message];
        let told: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        f.write_str(&told.join(", "))
    }
}

#[derive(Deserialize)]
struct Wrapped {
    error: Refusal,
}

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    key: Secret,
}

impl Client {
    pub(super) fn new(api: &ServiceUrl, key: Secret, timeout: Duration) -> anyhow::Result<Self> {
        tls::install();
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .redirect(Policy::none())
            .user_agent(concat!("Stampede/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base: format!("{}/v1/", api.expose().trim_end_matches('/')), key })
    }

    /// Asks once. A caller repeats, in the same words and under the same key.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        verb: Method,
        path: &str,
        form: Form,
        idempotency_key: Option<&str>,
    ) -> Result<Answer<T>, ProviderError> {
        let mut url = format!("{}{path}", self.base);
        let body = form.encoded();
        let is_get = verb == Method::GET;
        if is_get && !body.is_empty() {
            url = format!("{url}?{body}");
        }
        let mut request = self
            .http
            .request(verb, url)
            .bearer_auth(self.key.expose())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header("Stripe-Version", API_VERSION);
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if !is_get {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let answer = request.send().await.map_err(unheard)?;
        let status = answer.status();
        let body = read(answer).await?;
        judge(status, &body)
    }
}

async fn read(mut answer: reqwest::Response) -> Result<BytesMut, ProviderError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(unheard)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(ProviderError::NoAnswer(anyhow!("the answer does not end")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What an answer says. Only what is whole JSON of Stripe's with a status that fits is an answer.
fn judge<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<Answer<T>, ProviderError> {
    if status.is_success() {
        return serde_json::from_slice(body).map(Answer::Found).map_err(|error| {
            ProviderError::NoAnswer(anyhow!("{status} with what is no answer: {error}"))
        });
    }
    let refusal = serde_json::from_slice::<Wrapped>(body).map(|wrapped| wrapped.error);
    match (status.as_u16(), refusal) {
        // The request never took place, or not to its end, and may be repeated as it is. A key
        // that is in use (409) belongs to the same request, sent before.
        (409 | 424 | 429 | 500..=599, refusal) => {
            let told = refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
            Err(ProviderError::NoAnswer(anyhow!("{status} {told}")))
        }
        // Our key is wrong or may not do this: nothing happened, and an operator must look.
        (401 | 403, refusal) => {
            let told = refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
            Err(ProviderError::NoAnswer(anyhow!("{status}: check stripe.secret_key; {told}")))
        }
        (400..=499, Ok(refusal)) => Ok(Answer::Refused(refusal)),
        _ => Err(ProviderError::NoAnswer(anyhow!("{status} with what is no answer"))),
    }
}

fn unheard(error: reqwest::Error) -> ProviderError {
    // the address holds ids only, but no log needs it
    ProviderError::NoAnswer(error.without_url().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<Answer<serde_json::Value>, ProviderError> {
        judge(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn only_whole_answers_count() {
        assert!(matches!(judged(200, r#"{"id":"pi_1"}"#), Ok(Answer::Found(_))));
        let declined = r#"{"error":{"type":"card_error","code":"card_declined"}}"#;
        assert!(matches!(judged(402, declined), Ok(Answer::Refused(_))));
        let unknown = [
            (200, r#"{"id":"pi_"#),
            (200, "<html>maintenance</html>"),
            (302, ""),
            (402, "<html>"),
            (401, r#"{"error":{"type":"invalid_request_error"}}"#),
            (409, r#"{"error":{"code":"lock_timeout"}}"#),
            (429, r#"{"error":{"code":"rate_limit"}}"#),
            (500, r#"{"error":{"type":"api_error"}}"#),
            (503, ""),
        ];
        for (status, body) in unknown {
            let found = judged(status, body);
            assert!(matches!(found, Err(ProviderError::NoAnswer(_))), "{status} {body}: {found:?}");
        }
    }
}
