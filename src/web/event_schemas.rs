//! The schemas of events, beside the API's documentation.

use actix_web::{HttpRequest, HttpResponse, http::header::HeaderValue};
use serde_json::json;

use super::{
    cache::{PUBLIC, Ready},
    error::Problem,
};
use crate::shop::events::{Fact, schema};

/// Every type of event.
pub async fn list(request: HttpRequest) -> HttpResponse {
    let address =
        |kind: &&str| json!({ "type": kind, "schema": format!("/docs/events/{kind}.json") });
    let list: Vec<_> = Fact::KINDS.iter().map(address).collect();
    json_reply(&request, &json!({ "events": list }))
}

/// The schema of one.
pub async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("file").unwrap_or_default();
    let schema = name.strip_suffix(".json").and_then(schema::schema);
    let schema = schema.ok_or_else(|| Problem::not_found("page"))?;
    Ok(json_reply(&request, &schema))
}

fn json_reply(request: &HttpRequest, body: &serde_json::Value) -> HttpResponse {
    let json = HeaderValue::from_static("application/json");
    Ready::new(body.to_string(), json, PUBLIC).reply(request)
}
