//! Bodies: read within a limit and a time, then parsed with errors of our own.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header,
    web::{Bytes, BytesMut, Data},
};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::fields::Fields;
use crate::{
    app::App,
    web::error::{Code, Problem},
};

/// A body within the limit takes longer only when its sender dawdles on purpose.
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// What can be read from the fields of a body. `None` when a field was at fault.
pub trait FromFields: Sized {
    /// Asks for every field, also after one was at fault, so that all faults are told at once.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// A JSON object, `application/json`.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A form, `application/x-www-form-urlencoded`.
#[derive(Debug)]
pub struct Form<T>(pub T);

/// A form as it was filled in, for a page that shows it again when something is at fault.
#[derive(Clone)]
pub struct Filled(Vec<(String, String)>);

impl Filled {
    /// What stands in a field; empty when there is no such field.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Reads everything but the field `apart`, which is not part of the value.
    pub fn read<T: FromFields>(&self, apart: &str) -> Result<T, Problem> {
        let pairs = self.0.iter().filter(|(name, _)| name != apart).cloned();
        parse(Fields::of_form(pairs))
    }

    /// An empty form.
    #[must_use]
    pub fn empty() -> Self {
        Self(Vec::new())
    }
}

/// The bytes of a body as they are, whatever their type: for what is signed.
#[derive(Debug)]
pub struct Raw(pub Bytes);

/// Larger than any notice of a payment provider.
const LONGEST_RAW: usize = 256 << 10;

impl FromRequest for Raw {
    type Error = Problem;
    type Future = Reading<Self>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        Box::pin(async move { read(payload, LONGEST_RAW).await.map(Self) })
    }
}

type Reading<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl<T: FromFields> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let allowed = expect_type(request, "application/json");
        let payload = payload.take();
        Box::pin(async move { parse(object(&read(payload, allowed?).await?)?).map(Self) })
    }
}

impl<T: FromFields> FromRequest for Form<T> {
    type Error = Problem;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let filled = Filled::from_request(request, payload);
        Box::pin(async move { filled.await?.read("").map(Self) })
    }
}

impl FromRequest for Filled {
    type Error = Problem;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let allowed = expect_type(request, "application/x-www-form-urlencoded");
        let payload = payload.take();
        Box::pin(async move {
            let body = read(payload, allowed?).await?;
            Ok(Self(form_urlencoded::parse(&body).into_owned().collect()))
        })
    }
}

fn parse<T: FromFields>(mut fields: Fields) -> Result<T, Problem> {
    let value = T::from_fields(&mut fields);
    fields.finish(value)
}

/// The limit within which the body may be read, if the head promises one worth reading.
fn expect_type(request: &HttpRequest, expected: &'static str) -> Result<usize, Problem> {
    let headers = request.headers();
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    if !request.content_type().eq_ignore_ascii_case(expected) || !plain {
        let detail = format!("The body must be {expected}, not encoded.");
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let limit = request.app_data::<Data<App>>().map_or(0, |app| app.config.web.body_limit);
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    if length > limit { Err(too_large(limit)) } else { Ok(limit) }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("A body may have {limit} bytes at most."))
}

async fn read(payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    tokio::time::timeout(SLOWEST_BODY, collect(payload, limit))
        .await
        .unwrap_or_else(|_| Err(Problem::new(Code::Malformed, "The body took too long.")))
}

async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let cut = |_: PayloadError| Problem::new(Code::Malformed, "The body broke off.");
    let mut whole = payload.next().await.transpose().map_err(cut)?.unwrap_or_default();
    // Nearly every body comes in one piece, which is not copied.
    while let Some(more) = payload.next().await.transpose().map_err(cut)? {
        if whole.len() + more.len() > limit {
            return Err(too_large(limit));
        }
        let mut joined = BytesMut::from(whole);
        joined.extend_from_slice(&more);
        whole = joined.freeze();
    }
    if whole.len() > limit { Err(too_large(limit)) } else { Ok(whole) }
}

/// Not JSON is 400, JSON of another shape is 422.
fn object(body: &[u8]) -> Result<Fields, Problem> {
    let not_json = |fault: serde_json::Error| match fault.to_string() {
        // valid JSON, but no number that this machine can hold
        text if text.starts_with("number out of range") => {
            Problem::new(Code::Invalid, "A number is out of range.")
        }
        text => Problem::new(Code::Malformed, format!("The body is not JSON: {text}.")),
    };
    match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(values) => Ok(Fields::of_json(values)),
        Err(_) => match serde_json::from_slice::<Value>(body) {
            Ok(_) => Err(Problem::new(Code::Invalid, "The body must be a JSON object.")),
            Err(fault) => Err(not_json(fault)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_and_what_is_no_object_differ() {
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        let deep_inside = format!("{{\"a\":{deep}}}");
        for bad in
            ["", "{", "{\"quantity\":", "quantity=1", "{'a':1}", "\u{0}", &deep, &deep_inside]
        {
            assert_eq!(object(bad.as_bytes()).unwrap_err().code(), Code::Malformed);
        }
        for odd in ["[1]", "1", "null", "\"text\"", "{\"quantity\": 1e999}"] {
            assert_eq!(object(odd.as_bytes()).unwrap_err().code(), Code::Invalid, "{odd}");
        }
        assert!(object(b"{}").is_ok());
    }
}
