//! What handlers cost that do nothing, with none of what ours have around them: the benchmark
//! measures beside them; no shop has them switched on.

use actix_web::{
    HttpResponse,
    web::{self, Bytes},
};
use serde::{Deserialize, Serialize};

/// A page is below it.
const MOST: usize = 1 << 20;
static NOTHING: [u8; MOST] = [b' '; MOST];

#[derive(Deserialize, Serialize)]
struct Line {
    quantity: u32,
}

#[derive(Deserialize)]
struct Wanted {
    bytes: usize,
}

/// `PUT /noop` reads a cart line's body and says it again; `GET /noop?bytes=N` says so many bytes.
pub(super) fn mount(site: &mut web::ServiceConfig) {
    async fn answer(line: web::Json<Line>) -> HttpResponse {
        HttpResponse::Ok().json(line.into_inner())
    }
    async fn say(wanted: web::Query<Wanted>) -> HttpResponse {
        let bytes = NOTHING.get(..wanted.bytes).unwrap_or(&NOTHING);
        HttpResponse::Ok().content_type("text/html; charset=utf-8").body(Bytes::from_static(bytes))
    }
    site.route("/noop", web::put().to(answer)).route("/noop", web::get().to(say));
}
