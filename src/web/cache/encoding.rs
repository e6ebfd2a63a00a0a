//! Ready bytes in the encodings that clients take: packed once, when a reply is made.

use std::io::Write;

use actix_web::{
    http::header::{self, HeaderMap},
    web::Bytes,
};
use flate2::{Compression, write::GzEncoder};

/// Below this a reply fits one packet anyway.
const WORTHWHILE: usize = 900;
/// Both as good as they get for a page a second: a few milliseconds for 50 kB.
const GZIP_LEVEL: u32 = 6;
const BROTLI_QUALITY: u32 = 5;
/// Brotli's window, as a power of two: 256 KiB, above any page of ours.
const BROTLI_WINDOW: u32 = 18;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Brotli,
}

impl Encoding {
    /// Its name in a header; none for bytes as they are.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// The one that the client likes best; of equals the smallest.
    pub(super) fn preferred(headers: &HeaderMap) -> Self {
        let (mut gzip, mut brotli, mut any) = (None, None, None);
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for item in value.as_bytes().split(|byte| *byte == b',') {
                let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let name = parts.next().unwrap_or_default();
                let weight = parts.find_map(weight).unwrap_or(1.0);
                if name.eq_ignore_ascii_case(b"gzip") {
                    gzip = Some(weight);
                } else if name.eq_ignore_ascii_case(b"br") {
                    brotli = Some(weight);
                } else if name == b"*" {
                    any = Some(weight);
                }
            }
        }
        let (gzip, brotli) = (gzip.or(any).unwrap_or(0.0), brotli.or(any).unwrap_or(0.0));
        if brotli > 0.0 && brotli >= gzip {
            Self::Brotli
        } else if gzip > 0.0 {
            Self::Gzip
        } else {
            Self::Identity
        }
    }
}

/// The number of a parameter `q=0.8`; one that is no number is passed over.
fn weight(parameter: &[u8]) -> Option<f32> {
    let digits = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|weight: &f32| weight.is_finite())
}

/// The bytes packed in both ways, each only where that makes them smaller.
pub(super) fn packed(body: &[u8]) -> (Option<Bytes>, Option<Bytes>) {
    if body.len() < WORTHWHILE {
        return (None, None);
    }
    let smaller = |packed: Option<Vec<u8>>| {
        packed.filter(|packed| packed.len() < body.len()).map(Bytes::from)
    };
    (smaller(gzip(body)), smaller(brotli(body)))
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut stream = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    stream.write_all(body).ok()?;
    stream.finish().ok()
}

fn brotli(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut stream =
        brotli::CompressorWriter::new(&mut bytes, body.len(), BROTLI_QUALITY, BROTLI_WINDOW);
    stream.write_all(body).ok()?;
    stream.flush().ok()?;
    drop(stream);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn clients_get_what_they_ask_for() {
        let of = |accept: &str| {
            let request = TestRequest::get().insert_header((header::ACCEPT_ENCODING, accept));
            Encoding::preferred(request.to_http_request().headers())
        };
        for (accept, wanted) in [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip", Encoding::Gzip),
            ("GZIP;q=0.5", Encoding::Gzip),
            ("br;q=0.4, gzip;q=0.8", Encoding::Gzip),
            ("br;q=0.8 , gzip ; q=0.8", Encoding::Brotli),
            ("br;q=0, gzip;q=0.000", Encoding::Identity),
            ("*", Encoding::Brotli),
            ("*;q=0.1, br;q=0", Encoding::Gzip),
            ("br;q=much", Encoding::Brotli),
            ("; , ;;", Encoding::Identity),
        ] {
            assert_eq!(of(accept), wanted, "{accept:?}");
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_as_it_was() {
        let body = "a pair of shoes, ".repeat(500).into_bytes();
        let (gzip, brotli) = packed(&body);
        let (gzip, brotli) = (gzip.unwrap(), brotli.unwrap());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body);
        unpacked.clear();
        brotli::Decompressor::new(&brotli[..], 4096).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body);
        assert!(gzip.len() < 200 && brotli.len() < 200);
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        let noise: Vec<u8> =
            (0..1024_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let short = b"short".to_vec();
        assert_eq!(packed(&short), (None, None));
        let (gzip, brotli) = packed(&noise);
        assert!(gzip.is_none_or(|packed| packed.len() < noise.len()));
        assert!(brotli.is_none_or(|packed| packed.len() < noise.len()));
    }
}
