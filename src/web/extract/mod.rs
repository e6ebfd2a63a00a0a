//! What handlers take out of requests: parsed here, valid ever after, with errors of our own.

mod body;
mod fields;

use std::{future::Ready, str::FromStr};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        Method,
        header::{self, HeaderMap},
    },
    web::Data,
};

pub use self::{
    body::{Filled, Form, FromFields, Json, Raw},
    fields::Fields,
};
use crate::{
    app::App,
    kernel::ids::{OrderId, ProductSlug, SaleSlug, ShopperId, Sku},
    shop::orders::IdempotencyKey,
    web::error::{Code, Problem},
};

/// The cookie that carries a shopper's token in a browser.
const SESSION_COOKIE: &str = "stampede_session";
/// The same behind TLS: by this name a browser takes it from this very host alone, and not from
/// another one of its domain.
const SECURE_SESSION_COOKIE: &str = "__Host-stampede_session";

/// The name of the cookie that carries a shopper's token.
#[must_use]
pub fn session_cookie(secure: bool) -> &'static str {
    if secure { SECURE_SESSION_COOKIE } else { SESSION_COOKIE }
}

/// The shopper, from `Authorization: Bearer` or from the cookie. Without a valid token: 401.
#[derive(Debug, Clone, Copy)]
pub struct Shopper(pub ShopperId);

impl FromRequest for Shopper {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(known_shopper(request).map(Self))
    }
}

/// The shopper of a page. A visitor without a valid token is nobody yet, which is no error.
#[derive(Debug, Clone, Copy)]
pub struct Visitor(pub Option<ShopperId>);

impl FromRequest for Visitor {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(match known_shopper(request) {
            Ok(shopper) => Ok(Self(Some(shopper))),
            Err(problem) if problem.code() == Code::Unauthorized => Ok(Self(None)),
            Err(problem) => Err(problem),
        })
    }
}

fn known_shopper(request: &HttpRequest) -> Result<ShopperId, Problem> {
    let (headers, app) = (request.headers(), request.app_data::<Data<App>>());
    let token = if let Some(credentials) = headers.get(header::AUTHORIZATION) {
        credentials.to_str().ok().and_then(bearer)
    } else {
        // A browser sends cookies along with what other sites make it send.
        refuse_other_sites(request)?;
        let plain = app.is_some_and(|app| !app.config.web.is_secure());
        cookie(headers, SECURE_SESSION_COOKIE)
            .or_else(|| plain.then(|| cookie(headers, SESSION_COOKIE)).flatten())
    };
    token.zip(app).and_then(|(token, app)| app.sessions.verify(token).ok()).ok_or_else(|| {
        let detail = "A valid token is needed: POST /api/v1/session hands one out.";
        Problem::new(Code::Unauthorized, detail)
    })
}

fn bearer(credentials: &str) -> Option<&str> {
    let (scheme, token) = credentials.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Refuses what another site's page makes a browser send. Browsers say where a request comes from;
/// who says nothing is no browser, and holds no cookie that he did not put there himself.
pub fn refuse_other_sites(request: &HttpRequest) -> Result<(), Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    let own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == text("host")
        }
        (None, None) => true,
    };
    if own {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "This may only be sent from the shop's own pages."))
}

/// A part of the path. One that cannot be a name is a name that does not exist.
pub trait PathPart: FromStr {
    /// Its name in the route's pattern.
    const NAME: &'static str;
    /// What it names, for people.
    const WHAT: &'static str;

    /// Reads it from the request's path.
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let text = request.match_info().get(Self::NAME).unwrap_or_default();
        text.parse().map_err(|_| Problem::not_found(Self::WHAT))
    }
}

impl PathPart for SaleSlug {
    const NAME: &'static str = "sale";
    const WHAT: &'static str = "sale";
}

impl PathPart for ProductSlug {
    const NAME: &'static str = "product";
    const WHAT: &'static str = "product";
}

impl PathPart for Sku {
    const NAME: &'static str = "sku";
    const WHAT: &'static str = "SKU in this sale";
}

impl PathPart for OrderId {
    const NAME: &'static str = "order";
    const WHAT: &'static str = "order";
}

/// The request's `Idempotency-Key`. Missing or malformed: 400.
#[derive(Debug)]
pub struct Key(pub IdempotencyKey);

impl FromRequest for Key {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get("idempotency-key");
        let key = header.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        std::future::ready(key.map(Self).ok_or_else(|| {
            let detail = "The header Idempotency-Key must be 1 to 255 visible ASCII characters.";
            Problem::new(Code::Malformed, detail)
        }))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn what_other_sites_send_is_refused() {
        let post = |headers: &[(&'static str, &'static str)]| {
            let request = TestRequest::post().insert_header(("host", "shop.example:8080"));
            let request =
                headers.iter().fold(request, |request, header| request.insert_header(*header));
            refuse_other_sites(&request.to_http_request()).is_ok()
        };
        assert!(post(&[]));
        assert!(post(&[("origin", "http://shop.example:8080")]));
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        for bad in ["http://evil.example", "null", "http://shop.example", "shop.example:8080"] {
            assert!(!post(&[("origin", bad)]), "{bad}");
        }
        for bad in ["cross-site", "same-site", "?"] {
            assert!(!post(&[("sec-fetch-site", bad)]), "{bad}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let request = TestRequest::get()
            .insert_header(("cookie", "a=b; stampede_session=token; c"))
            .to_http_request();
        assert_eq!(cookie(request.headers(), SESSION_COOKIE), Some("token"));
        assert_eq!(cookie(request.headers(), "stampede"), None);
        assert_eq!(bearer("bearer x"), Some("x"));
        assert_eq!(bearer("Basic x"), None);
    }
}
