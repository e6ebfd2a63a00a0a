//! A shopper who speaks to the API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A shopper with a token.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    pub(crate) shopper: String,
    pub(crate) token: String,
}

/// A reply, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The stable code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("none")
    }
}

impl Client {
    pub(crate) async fn new(base: &str) -> Self {
        let http = reqwest::Client::new();
        let said: Value =
            http.post(format!("{base}/api/v1/session")).send().await.unwrap().json().await.unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Self { http, base: base.to_owned(), shopper: text("shopper"), token: text("token") }
    }

    /// A shopper who got his token elsewhere, on connections that he shares with others.
    pub(crate) fn known(http: &reqwest::Client, shopper: String, token: String) -> Self {
        Self { http: http.clone(), base: String::new(), shopper, token }
    }

    /// The same shopper at another process.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// A request with the token; an error when no whole reply came.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> reqwest::Result<Reply> {
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        let text = reply.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, headers, body })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, None, None).await.unwrap()
    }

    /// Sets a line of the sale `run`.
    pub(crate) async fn put(&self, sku: &str, quantity: i64) -> Reply {
        self.try_put(sku, quantity).await.unwrap()
    }

    /// The same where the process may be killed meanwhile.
    pub(crate) async fn try_put(&self, sku: &str, quantity: i64) -> reqwest::Result<Reply> {
        let path = format!("/sales/run/cart/lines/{sku}");
        self.ask(Method::PUT, &path, None, Some(json!({ "quantity": quantity }))).await
    }

    pub(crate) async fn delete(&self, sku: &str) -> Reply {
        let path = format!("/sales/run/cart/lines/{sku}");
        self.ask(Method::DELETE, &path, None, None).await.unwrap()
    }

    pub(crate) async fn cart(&self) -> Reply {
        self.get("/sales/run/cart").await
    }

    /// Buys the cart of the sale `run`.
    pub(crate) async fn checkout(&self, key: &str, method: &str) -> Reply {
        self.try_checkout(key, method).await.unwrap()
    }

    pub(crate) async fn try_checkout(&self, key: &str, method: &str) -> reqwest::Result<Reply> {
        let body = checkout_body(method);
        self.ask(Method::POST, "/sales/run/checkout", Some(key), Some(body)).await
    }
}

/// A body for the checkout.
pub(crate) fn checkout_body(method: &str) -> Value {
    json!({
        "email": "ada@example.org",
        "shipping": {
            "name": "Ada", "line1": "Street 1", "city": "Berlin",
            "postal_code": "10115", "country": "DE"
        },
        "payment": { "method": method },
    })
}
