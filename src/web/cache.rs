//! Replies that are the same for everyone: made once a second at most, then handed out as ready
//! bytes with an entity tag, so that neither the crowd nor a cache in front costs a rendering.

use std::{fmt::Write, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web::Bytes,
};
use moka::future::Cache;
use sha2::{Digest, Sha256};

use super::error::Problem;

/// How long a reply may be old. Under a second, so that with the age of the sale's data what was
/// imported shows within two.
const FRESH: Duration = Duration::from_millis(900);
/// Bytes of replies kept: a thousand products of a few kilobytes each, several times over.
const LARGEST_CACHE: u64 = 64 * 1024 * 1024;
/// For caches in front: a second, then one more while they ask again, and longer when we are gone.
pub const PUBLIC: HeaderValue = HeaderValue::from_static(
    "public, max-age=1, s-maxage=1, stale-while-revalidate=1, stale-if-error=60",
);
/// What is named by its content never changes.
pub const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A reply as it goes out.
#[derive(Debug, Clone)]
pub struct Ready {
    body: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
    lifetime: HeaderValue,
}

impl Ready {
    /// Bytes with a strong tag made of their hash.
    pub fn new(body: impl Into<Bytes>, content_type: HeaderValue, lifetime: HeaderValue) -> Self {
        let body = body.into();
        let tag = hash(&body);
        let tag = tag.get(..32).unwrap_or(&tag);
        let etag = HeaderValue::try_from(format!("\"{tag}\""));
        let etag = etag.unwrap_or(HeaderValue::from_static("\"\""));
        Self { body, content_type, etag, lifetime }
    }

    /// Bytes whose strong tag is known already.
    #[must_use]
    pub fn named(
        body: Bytes,
        content_type: HeaderValue,
        etag: HeaderValue,
        lifetime: HeaderValue,
    ) -> Self {
        Self { body, content_type, etag, lifetime }
    }

    /// A page that anybody may keep for a second.
    #[must_use]
    pub fn page(html: String) -> Self {
        Self::new(html, HeaderValue::from_static("text/html; charset=utf-8"), PUBLIC)
    }

    /// JSON that anybody may keep for a second.
    #[must_use]
    pub fn json(body: Vec<u8>) -> Self {
        Self::new(body, HeaderValue::from_static("application/json"), PUBLIC)
    }

    /// The whole reply, or 304 when the caller has these very bytes.
    #[must_use]
    pub fn reply(&self, request: &HttpRequest) -> HttpResponse {
        let mut reply = if knows(request.headers(), &self.etag) {
            HttpResponse::new(StatusCode::NOT_MODIFIED)
        } else {
            let mut reply =
                HttpResponse::new(StatusCode::OK).set_body(BoxBody::new(self.body.clone()));
            reply.headers_mut().insert(header::CONTENT_TYPE, self.content_type.clone());
            reply
        };
        reply.headers_mut().insert(header::ETAG, self.etag.clone());
        reply.headers_mut().insert(header::CACHE_CONTROL, self.lifetime.clone());
        reply
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn knows(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers.get_all(header::IF_NONE_MATCH).any(|known| {
        let etag = etag.as_bytes();
        known.as_bytes().split(|byte| *byte == b',').any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag
        })
    })
}

/// The replies of the last second, by path. Cheap to clone.
#[derive(Clone)]
pub struct Public(Cache<String, Arc<Ready>>);

impl Public {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        let weight = |path: &String, ready: &Arc<Ready>| {
            u32::try_from(path.len() + ready.body.len()).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().time_to_live(FRESH).weigher(weight);
        Self(cache.max_capacity(LARGEST_CACHE).build())
    }

    /// The reply for this path, made by `make` when none is fresh. However many ask at once, one
    /// makes it. What went wrong is kept for nobody.
    pub async fn serve(
        &self,
        request: &HttpRequest,
        make: impl AsyncFnOnce() -> Result<Ready, Problem>,
    ) -> Result<HttpResponse, Problem> {
        // As decoded: one page has one path, however it is spelt.
        let path = request.match_info().as_str();
        if let Some(ready) = self.0.get(path).await {
            return Ok(ready.reply(request));
        }
        // Making is a large future, which the many who find a reply need no room for.
        let make = async { make().await.map(Arc::new).inspect_err(Problem::log) };
        let ready = Box::pin(self.0.try_get_with_by_ref(path, make)).await;
        ready.map(|ready| ready.reply(request)).map_err(|problem| problem.again())
    }
}

impl Default for Public {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use actix_web::test::TestRequest;

    use super::*;

    #[actix_web::test]
    async fn a_crowd_costs_one_rendering() {
        let (public, made) = (Public::new(), AtomicU32::new(0));
        let request = TestRequest::with_uri("/sales/a").to_http_request();
        let ask = || {
            public.serve(&request, async || {
                tokio::time::sleep(Duration::from_millis(5)).await;
                made.fetch_add(1, Ordering::Relaxed);
                Ok(Ready::json(b"{}".to_vec()))
            })
        };
        let replies = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert!(replies.iter().all(Result::is_ok));
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[actix_web::test]
    async fn a_failure_is_not_kept() {
        let public = Public::new();
        let request = TestRequest::with_uri("/sales/a").to_http_request();
        let failed = public.serve(&request, async || Err(Problem::not_found("sale"))).await;
        assert!(failed.is_err());
        assert!(public.serve(&request, async || Ok(Ready::page(String::new()))).await.is_ok());
    }

    #[test]
    fn who_has_these_bytes_is_not_sent_them_again() {
        let ready = Ready::page("<p>hello</p>".into());
        let tag = ready.etag.to_str().unwrap();
        let status = |known: &str| {
            let request = TestRequest::get().insert_header((header::IF_NONE_MATCH, known));
            ready.reply(&request.to_http_request()).status()
        };
        for known in [tag, "*", &format!("\"x\", {tag}"), &format!("W/{tag}")] {
            assert_eq!(status(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        assert_eq!(status("\"x\""), StatusCode::OK);
    }
}
