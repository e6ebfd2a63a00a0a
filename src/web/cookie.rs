//! The cookie that makes a browser a shopper's.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
};

use super::{error::Problem, extract::session_cookie};
use crate::app::App;

/// How long a browser keeps a shopper's token: beyond the month for which keys are remembered.
const SESSION_DAYS: i64 = 60;

/// The reply, with the token of a shopper who is new.
pub(super) fn remember(
    app: &App,
    request: &HttpRequest,
    token: Option<String>,
    mut reply: HttpResponse,
) -> Result<HttpResponse, Problem> {
    if let Some(token) = token {
        let secure = app.config.web.is_secure() || request.connection_info().scheme() == "https";
        let cookie = Cookie::build(session_cookie(secure), token)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(CookieDuration::days(SESSION_DAYS))
            .secure(secure)
            .finish();
        reply.add_cookie(&cookie).map_err(|error| Problem::internal(anyhow::anyhow!("{error}")))?;
    }
    Ok(reply)
}
