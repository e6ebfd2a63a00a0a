//! `POST /session`: a token for who has none.

use actix_web::{FromRequest, HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    kernel::ids::ShopperId,
    web::{cookie::remember, error::Problem, extract::Visitor},
};

/// A new shopper.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// The shopper's id.
    #[schema(value_type = String, example = "shp_018f3c1c7c5e7d2ab1f04c3d5e6f7a8b")]
    shopper: ShopperId,
    /// To be sent as `Authorization: Bearer …`. Whoever holds it is the shopper.
    token: String,
}

/// Makes a shopper
///
/// Nothing is asked and nothing is stored: the token itself says who the shopper is. A script of the
/// shop's own pages gets it as a cookie as well, unless there is one; behind TLS the name of the cookie
/// begins with `__Host-`.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    operation_id = "createSession",
    responses((status = 201, description = "A new shopper and the token", body = Session))
)]
pub async fn create(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (shopper, token) = app.sessions.issue();
    let cookie = asks_for_cookie(&request).await?.then(|| token.clone());
    let reply = HttpResponse::Created().json(Session { shopper, token });
    remember(&app, &request, cookie, reply)
}

/// The script of our pages, which cannot keep a token safely, gets it as a cookie, too: so that a
/// shopper is known before he takes something, and asking again after a lost reply is asking as the
/// same one. Who is known already stays who he is.
async fn asks_for_cookie(request: &HttpRequest) -> Result<bool, Problem> {
    let from = request.headers().get("sec-fetch-site");
    let own = from.is_some_and(|site| site.as_bytes() == b"same-origin");
    Ok(own && Visitor::extract(request).await?.0.is_none())
}
