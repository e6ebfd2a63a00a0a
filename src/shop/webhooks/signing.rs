//! Signatures as Standard Webhooks has them: `v1,` and the base64 of HMAC-SHA256 over
//! `id.timestamp.body`, one for each key, separated by spaces.
//!
//! The id and the time are signed with the body, so neither can be changed to play an old delivery
//! again as a new one.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::kernel::clock::Timestamp;

/// A secret that an endpoint shares with us.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// As many bytes as the signature has; fewer would be the weaker part of it.
    pub const BYTES: usize = 32;

    /// A new key of random bytes.
    #[must_use]
    pub fn new(random: [u8; Self::BYTES]) -> Self {
        Self(random.to_vec())
    }

    pub(super) fn from_row(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as it is handed over, once: `whsec_…`.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The header `webhook-signature`.
#[must_use]
pub fn signature(keys: &[SigningKey], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signed = keys.iter().filter_map(|key| {
        let mac = Hmac::<Sha256>::new_from_slice(key.bytes()).ok()?;
        let head = format!("{id}.{}.", at.timestamp());
        let code = mac.chain_update(head).chain_update(body).finalize().into_bytes();
        Some(format!("v1,{}", STANDARD.encode(code)))
    });
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // the example of the specification's reference libraries
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let keys = [SigningKey::from_row(key), SigningKey::new([7; 32])];
        let at = clock::from_millis(1_614_265_330_000);
        let body = br#"{"test": 2432232314}"#;
        let found = signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body);
        let (first, second) = found.split_once(' ').unwrap();
        assert_eq!(first, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(second.starts_with("v1,") && second != first);
    }

    #[test]
    fn a_key_is_shown_only_when_asked_for() {
        let key = SigningKey::new([7; 32]);
        assert!(key.expose().starts_with("whsec_BwcHBw"));
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
