//! Every row of the contract, asked over HTTP.

mod bad_input;
mod cart;
mod checkout;
mod document;
mod foreign;
mod notices;
mod phases;
mod public;
mod session;

use reqwest::{Client as Http, Method, Response, header::HeaderMap};
use serde_json::Value;

use crate::harness::{Client, Shop};

/// A reply with its body as text.
struct Raw {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Raw {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that it is a problem of this status and code, in the shape of the contract.
    #[track_caller]
    fn expect(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(!self.header("x-request-id").is_empty());
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(problem[field].is_string(), "{field}: {}", self.text);
        }
        let retry = problem["retry_after"].as_u64().map(|seconds| seconds.to_string());
        assert_eq!(self.header("retry-after"), retry.unwrap_or_default());
        problem
    }
}

/// A request without a token.
async fn plain(shop: &Shop, method: &str, path: &str) -> Raw {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = Http::new().request(method, format!("{}{path}", shop.url));
    Raw::of(request.send().await.unwrap()).await
}

/// A PUT of this very body to a line.
async fn put_raw(shop: &Shop, shopper: &Client, kind: &str, body: impl Into<reqwest::Body>) -> Raw {
    let request = Http::new()
        .put(format!("{}/api/v1/sales/run/cart/lines/CAP", shop.url))
        .bearer_auth(&shopper.token)
        .header("content-type", kind)
        .body(body);
    Raw::of(request.send().await.unwrap()).await
}

/// The fields at fault.
fn at_fault(problem: &Value) -> Vec<&str> {
    let fields = problem["fields"].as_array().map_or(&[][..], Vec::as_slice);
    fields.iter().map(|fault| fault["field"].as_str().unwrap()).collect()
}
