//! Pictures: what may be shown, told by its content and never by its name.

use std::{fmt, str::FromStr, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::svg;

/// The SHA-256 of a picture's bytes, in 64 hexadecimal digits: a name that never changes what it
/// means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ImageHash(Arc<str>);

/// What a picture is served as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ContentType {
    /// `image/png`
    #[serde(rename = "image/png")]
    Png,
    /// `image/jpeg`
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// `image/webp`
    #[serde(rename = "image/webp")]
    Webp,
    /// `image/svg+xml`; checked to run nothing and to load nothing.
    #[serde(rename = "image/svg+xml")]
    Svg,
}

/// A picture that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub hash: ImageHash,
    /// What it is served as.
    pub content_type: ContentType,
    /// At most [`Image::MAX_BYTES`].
    pub bytes: Bytes,
}

/// Why bytes are no picture that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidImage {
    /// More than [`Image::MAX_BYTES`].
    #[error("the picture is larger than {} MiB", Image::MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// None of the known kinds.
    #[error("expected a PNG, JPEG, WebP or SVG picture")]
    Unknown,
    /// An SVG that may do more than be looked at, or is not well-formed.
    #[error("the SVG {0}")]
    Svg(String),
}

impl Image {
    /// The largest picture: a page shows many of them, and each passes through memory.
    pub const MAX_BYTES: usize = 2 * 1024 * 1024;

    /// The picture in `bytes`.
    pub fn parse(bytes: Bytes) -> Result<Self, InvalidImage> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(InvalidImage::TooLarge);
        }
        let content_type = ContentType::of(&bytes)?;
        Ok(Self { hash: ImageHash::of(&bytes), content_type, bytes })
    }
}

impl ContentType {
    fn of(bytes: &[u8]) -> Result<Self, InvalidImage> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.get(12..16) == Some(b"IHDR") {
            Ok(Self::Png)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Ok(Self::Jpeg)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Ok(Self::Webp)
        } else {
            let text = std::str::from_utf8(bytes).map_err(|_| InvalidImage::Unknown)?;
            svg::check(text)?;
            Ok(Self::Svg)
        }
    }

    /// The media type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Svg => "image/svg+xml",
        }
    }
}

impl FromStr for ContentType {
    type Err = InvalidImage;
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        [Self::Png, Self::Jpeg, Self::Webp, Self::Svg]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(InvalidImage::Unknown)
    }
}

impl ImageHash {
    fn of(bytes: &[u8]) -> Self {
        let hex = |mut text: String, byte: &u8| {
            let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
            text.extend([digit(byte >> 4), digit(byte & 15)]);
            text
        };
        Self(Sha256::digest(bytes).iter().fold(String::with_capacity(64), hex).into())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is no name of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected 64 hexadecimal digits")]
pub struct InvalidHash;

impl FromStr for ImageHash {
    type Err = InvalidHash;
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidHash)
        }
    }
}

impl fmt::Display for ImageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &'static [u8]) -> Result<ContentType, InvalidImage> {
        Image::parse(Bytes::from_static(bytes)).map(|image| image.content_type)
    }

    #[test]
    fn a_picture_is_known_by_its_content() {
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01"), Ok(ContentType::Png));
        assert_eq!(kind(b"\xff\xd8\xff\xe0\0\x10JFIF"), Ok(ContentType::Jpeg));
        assert_eq!(kind(b"RIFF\x24\0\0\0WEBPVP8 "), Ok(ContentType::Webp));
        assert_eq!(kind(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Ok(ContentType::Svg));
        for bad in [&b""[..], b"GIF89a", b"<html></html>", b"MZ\x90", b"\x89PNG", b"\xfe\xff<"] {
            assert!(kind(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_picture_is_at_most_two_mebibytes() {
        let mut bytes = b"\xff\xd8\xff".to_vec();
        bytes.resize(Image::MAX_BYTES, 0);
        assert!(Image::parse(bytes.clone().into()).is_ok());
        bytes.push(0);
        assert_eq!(Image::parse(bytes.into()), Err(InvalidImage::TooLarge));
    }

    #[test]
    fn a_hash_reads_back_and_nothing_else_does() {
        let hash = ImageHash::of(b"abc");
        assert!(hash.as_str().starts_with("ba7816bf"));
        assert_eq!(hash.as_str().parse(), Ok(hash));
        for bad in ["", "../../etc/passwd", &"A".repeat(64), &"a".repeat(63)] {
            assert_eq!(bad.parse::<ImageHash>(), Err(InvalidHash), "{bad}");
        }
    }
}
