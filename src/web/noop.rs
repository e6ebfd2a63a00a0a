//! What a handler costs that does nothing: it reads a cart line's body and says it again, with none
//! of what ours has around it. The benchmark measures beside it; no shop has it switched on.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Line {
    quantity: u32,
}

/// `PUT /noop`.
pub(super) fn mount(site: &mut web::ServiceConfig) {
    async fn answer(line: web::Json<Line>) -> HttpResponse {
        HttpResponse::Ok().json(line.into_inner())
    }
    site.route("/noop", web::put().to(answer));
}
