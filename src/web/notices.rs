//! `/webhooks/stripe`: what the payment provider tells us by itself.
//!
//! The signature is checked over the raw bytes; then the notice is stored, once, and answered. It is
//! handled by a worker, so that the provider never waits, and never sends again what only took long.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{
    error::{Code, Problem},
    extract::Raw,
};
use crate::{
    app::App,
    shop::payments::{
        notices,
        stripe::{notice, signature},
    },
};

/// Takes a notice of Stripe's.
pub(super) async fn stripe(
    app: Data<App>,
    request: HttpRequest,
    body: Raw,
) -> Result<HttpResponse, Problem> {
    let secrets = app.config.stripe.webhook_secrets.as_slice();
    if secrets.is_empty() {
        return Err(Problem::not_found("webhook"));
    }
    let header = request.headers().get("stripe-signature").and_then(|header| header.to_str().ok());
    let now = app.clock.now();
    signature::verify(header, &body.0, secrets, now).map_err(|unbelieved| {
        Problem::new(Code::Malformed, format!("It is not taken: {unbelieved}."))
    })?;
    let notice = notice::read(&body.0)
        .map_err(|error| Problem::new(Code::Malformed, format!("It is no event: {error}.")))?;
    notices::store::insert(&app.pool, &notice, now).await.map_err(Problem::away)?;
    Ok(HttpResponse::Ok().finish())
}
