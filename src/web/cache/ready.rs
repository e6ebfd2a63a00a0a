//! A reply as ready bytes.

use std::fmt::Write;

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web::Bytes,
};
use sha2::{Digest, Sha256};

use super::{
    encoding::{Encoding, packed},
    range::{Part, wanted},
};

/// For caches in front: a second, then one more while they ask again, and longer when we are gone.
pub const PUBLIC: HeaderValue = HeaderValue::from_static(
    "public, max-age=1, s-maxage=1, stale-while-revalidate=1, stale-if-error=60",
);
/// What is named by its content never changes.
pub const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A reply as it goes out, in every encoding that there is of it.
#[derive(Debug, Clone)]
pub struct Ready {
    status: StatusCode,
    content_type: HeaderValue,
    lifetime: HeaderValue,
    plain: Bytes,
    /// The tag of `plain`.
    etag: HeaderValue,
    gzip: Option<Packed>,
    brotli: Option<Packed>,
    /// Whether other clients may get other bytes.
    varies: bool,
}

#[derive(Debug, Clone)]
struct Packed {
    body: Bytes,
    etag: HeaderValue,
}

impl Ready {
    /// Bytes with a strong tag made of their hash.
    pub fn new(body: impl Into<Bytes>, content_type: HeaderValue, lifetime: HeaderValue) -> Self {
        let body = body.into();
        let tag = hash(&body);
        let tag = tag.get(..32).unwrap_or(&tag);
        let etag = HeaderValue::try_from(format!("\"{tag}\""));
        let etag = etag.unwrap_or(HeaderValue::from_static("\"\""));
        Self::named(body, content_type, etag, lifetime)
    }

    /// Bytes whose strong tag is known already.
    #[must_use]
    pub fn named(
        body: Bytes,
        content_type: HeaderValue,
        etag: HeaderValue,
        lifetime: HeaderValue,
    ) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            lifetime,
            plain: body,
            etag,
            gzip: None,
            brotli: None,
            varies: false,
        }
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

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same, packed for those who take it so. Takes milliseconds.
    #[must_use]
    pub fn packed(self) -> Self {
        let (gzip, brotli) = packed(&self.plain);
        let named = |body: Option<Bytes>, encoding: Encoding| {
            let (body, name) = (body?, encoding.name()?);
            let tag = self.etag.to_str().ok()?.trim_matches('"');
            let etag = HeaderValue::try_from(format!("\"{tag}-{name}\"")).ok()?;
            Some(Packed { body, etag })
        };
        let (gzip, brotli) = (named(gzip, Encoding::Gzip), named(brotli, Encoding::Brotli));
        Self { gzip, brotli, varies: true, ..self }
    }

    /// The whole reply, the part that was asked for, or 304 when the caller has these very bytes.
    #[must_use]
    pub fn reply(&self, request: &HttpRequest) -> HttpResponse {
        let asked = request.headers();
        let (body, etag, encoding) = self.preferred(asked);
        let mut reply = if knows(asked, etag) {
            HttpResponse::new(StatusCode::NOT_MODIFIED)
        } else {
            let mut reply = match wanted(request, etag, body.len()) {
                Part::These(part) if self.status == StatusCode::OK => {
                    let told = format!("bytes {}-{}/{}", part.start, part.end - 1, body.len());
                    in_part(StatusCode::PARTIAL_CONTENT, told, body.slice(part))
                }
                Part::Beyond if self.status == StatusCode::OK => {
                    let told = format!("bytes */{}", body.len());
                    in_part(StatusCode::RANGE_NOT_SATISFIABLE, told, Bytes::new())
                }
                _ => HttpResponse::new(self.status).set_body(BoxBody::new(body.clone())),
            };
            reply.headers_mut().insert(header::CONTENT_TYPE, self.content_type.clone());
            if let Some(name) = encoding.name() {
                let name = HeaderValue::from_static(name);
                reply.headers_mut().insert(header::CONTENT_ENCODING, name);
            }
            reply
        };
        let headers = reply.headers_mut();
        headers.insert(header::ETAG, etag.clone());
        headers.insert(header::CACHE_CONTROL, self.lifetime.clone());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if self.varies {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        reply
    }

    fn preferred(&self, asked: &HeaderMap) -> (&Bytes, &HeaderValue, Encoding) {
        let encoding = if self.varies { Encoding::preferred(asked) } else { Encoding::Identity };
        let packed = match encoding {
            Encoding::Identity => None,
            Encoding::Gzip => self.gzip.as_ref(),
            Encoding::Brotli => self.brotli.as_ref(),
        };
        packed.map_or((&self.plain, &self.etag, Encoding::Identity), |packed| {
            (&packed.body, &packed.etag, encoding)
        })
    }

    /// Whether it is the same, packed or not.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.etag == other.etag && self.status == other.status
    }

    /// Bytes kept.
    pub(super) fn weight(&self) -> usize {
        let packed = [&self.gzip, &self.brotli].into_iter().flatten();
        self.plain.len() + packed.map(|packed| packed.body.len()).sum::<usize>()
    }
}

fn in_part(status: StatusCode, told: String, body: Bytes) -> HttpResponse {
    let mut reply = HttpResponse::new(status).set_body(BoxBody::new(body));
    if let Ok(told) = HeaderValue::try_from(told) {
        reply.headers_mut().insert(header::CONTENT_RANGE, told);
    }
    reply
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

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, test::TestRequest};

    use super::*;

    async fn text(reply: HttpResponse) -> String {
        String::from_utf8(to_bytes(reply.into_body()).await.unwrap().to_vec()).unwrap()
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

    #[actix_web::test]
    async fn each_encoding_has_bytes_and_a_tag_of_its_own() {
        let ready = Ready::page("<p>a pair of shoes</p>".repeat(200)).packed();
        let mut tags = Vec::new();
        for (accept, encoding) in [("", None), ("gzip", Some("gzip")), ("gzip, br", Some("br"))] {
            let ask = |known: Option<HeaderValue>| {
                let request = TestRequest::get().insert_header((header::ACCEPT_ENCODING, accept));
                let request = match known {
                    Some(tag) => request.insert_header((header::IF_NONE_MATCH, tag)),
                    None => request,
                };
                ready.reply(&request.to_http_request())
            };
            let reply = ask(None);
            let headers = reply.headers();
            let named = headers.get(header::CONTENT_ENCODING).map(|name| name.to_str().unwrap());
            assert_eq!(named, encoding);
            assert_eq!(headers.get(header::VARY).unwrap(), "accept-encoding");
            let tag = headers.get(header::ETAG).unwrap().clone();
            let again = ask(Some(tag.clone()));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(again.headers().get(header::VARY).unwrap(), "accept-encoding");
            assert!(!tags.contains(&tag));
            tags.push(tag);
        }
    }

    #[actix_web::test]
    async fn a_part_is_a_part_and_the_whole_the_whole() {
        let ready = Ready::new("0123456789", HeaderValue::from_static("text/plain"), IMMUTABLE);
        let ask = |range: &'static str| {
            let request = TestRequest::get().insert_header((header::RANGE, range));
            ready.reply(&request.to_http_request())
        };
        let part = ask("bytes=2-4");
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers().get(header::CONTENT_RANGE).unwrap(), "bytes 2-4/10");
        assert_eq!(text(part).await, "234");
        let beyond = ask("bytes=10-");
        assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(beyond.headers().get(header::CONTENT_RANGE).unwrap(), "bytes */10");
        assert_eq!(text(ask("bytes=4-2")).await, "0123456789");
    }
}
