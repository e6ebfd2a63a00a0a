//! A part of a reply, for a client that was interrupted.

use std::ops::Range;

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderValue},
    },
};

/// What a request wants of so many bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything: also when it asks for several parts, or in units or an order that we do not
    /// know, which a server may pass over.
    Whole,
    /// These bytes.
    These(Range<usize>),
    /// Bytes that are not there.
    Beyond,
}

/// Reads `Range`, which has a meaning with GET alone, unless `If-Range` says that the client has parts
/// of other bytes.
pub(super) fn wanted(request: &HttpRequest, etag: &HeaderValue, length: usize) -> Part {
    let headers = request.headers();
    let Some(range) = headers.get(header::RANGE) else { return Part::Whole };
    if request.method() != Method::GET {
        return Part::Whole;
    }
    if headers.get(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Part::Whole;
    }
    let range = range.to_str().ok().and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| text.parse::<usize>().ok();
    let (start, end) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => (first, length),
        // the last so many
        (None, Some(last)) if first.is_empty() => (length.saturating_sub(last), length),
        _ => return Part::Whole,
    };
    if start < end { Part::These(start..end) } else { Part::Beyond }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn parts() {
        let tag = HeaderValue::from_static("\"a\"");
        let of = |range: &str, known: Option<&str>| {
            let mut request = TestRequest::get().insert_header((header::RANGE, range));
            if let Some(known) = known {
                request = request.insert_header((header::IF_RANGE, known));
            }
            wanted(&request.to_http_request(), &tag, 100)
        };
        assert_eq!(of("bytes=0-9", None), Part::These(0..10));
        assert_eq!(of("bytes=90-", None), Part::These(90..100));
        assert_eq!(of("bytes=-10", None), Part::These(90..100));
        assert_eq!(of("bytes=-1000", None), Part::These(0..100));
        assert_eq!(of("bytes=50-18446744073709551615", None), Part::These(50..100));
        assert_eq!(of("bytes=0-9", Some("\"a\"")), Part::These(0..10));
        assert_eq!(of("bytes=0-9", Some("\"b\"")), Part::Whole);
        assert_eq!(of("bytes=100-", None), Part::Beyond);
        assert_eq!(of("bytes=-0", None), Part::Beyond);
        let head = TestRequest::default().method(Method::HEAD);
        let head = head.insert_header((header::RANGE, "bytes=0-9")).to_http_request();
        assert_eq!(wanted(&head, &tag, 100), Part::Whole);
        for odd in ["bytes=9-0", "bytes=0-1,5-6", "bytes=a-b", "pages=1-2", "bytes=-", "bytes=", ""]
        {
            assert_eq!(of(odd, None), Part::Whole, "{odd}");
        }
    }
}
