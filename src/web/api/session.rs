//! `POST /session`: a token for who has none.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, kernel::ids::ShopperId};

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
/// Nothing is asked and nothing is stored: the token itself says who the shopper is.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    operation_id = "createSession",
    responses((status = 201, description = "A new shopper and the token", body = Session))
)]
pub async fn create(app: Data<App>) -> HttpResponse {
    let (shopper, token) = app.sessions.issue();
    HttpResponse::Created().json(Session { shopper, token })
}
