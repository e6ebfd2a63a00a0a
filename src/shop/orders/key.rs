//! Idempotency keys: the shopper's own name for one wish to buy.
//!
//! A key is bound to the order that was made for it and to the hash of the request, not to the
//! bytes of a reply: asked again, the shop tells what has become of the order.

use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::kernel::ids::OrderId;

/// The value of an `Idempotency-Key` header: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A header that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let valid = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }
}

impl IdempotencyKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a request's canonical form, by which the same request is known again without
/// keeping the shopper's data twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHash(pub [u8; 32]);

impl RequestHash {
    /// Hashes the JSON of `request`: a struct, so that its fields always come in one order.
    pub fn of(request: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(Sha256::digest(serde_json::to_vec(request)?).into()))
    }
}

/// What a key is bound to.
#[derive(Debug, Clone)]
pub struct BoundKey {
    /// The order made under it.
    pub order: OrderId,
    /// Hash of the request that made it, as kept: another length is just another hash.
    pub request_hash: Vec<u8>,
}

impl BoundKey {
    /// Whether it was bound by a request of this hash.
    #[must_use]
    pub fn is_of(&self, request: RequestHash) -> bool {
        self.request_hash == request.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_visible_text() {
        assert!("0f8fad5b-d9cb-469f-a165-70867728950e".parse::<IdempotencyKey>().is_ok());
        for bad in ["", "a b", "a\n", "ü", &"a".repeat(256)] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad:?}");
        }
    }
}
