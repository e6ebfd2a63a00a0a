//! Values that never appear in logs, in error messages or in `check-config`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, de};
use url::Url;

/// What stands in a secret's place wherever it is shown.
pub const MASK: &str = "***";

/// Text that is shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that uses it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.0.is_empty() { "" } else { MASK })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Keys for signing, newest first: the first one signs, every one verifies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretList(Vec<Secret>);

impl SecretList {
    /// A shorter key could be found by trying (HMAC-SHA-256 has 32 bytes of strength).
    pub const MIN_BYTES: usize = 32;

    /// The keys, newest first; empty when none was configured.
    #[must_use]
    pub fn as_slice(&self) -> &[Secret] {
        &self.0
    }

    /// Whether none was configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for SecretList {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let keys: Vec<Secret> = parts.map(Secret::new).collect();
        if keys.iter().any(|key| key.expose().len() < Self::MIN_BYTES) {
            return Err(de::Error::custom(format_args!(
                "expected one or more secrets of at least {} bytes, separated by commas, newest \
                 first (one is shorter)",
                Self::MIN_BYTES
            )));
        }
        Ok(Self(keys))
    }
}

impl Serialize for SecretList {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&vec![MASK; self.0.len()].join(","))
    }
}

/// The address of a server, which may hold a password; the password is shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(Url);

impl ServiceUrl {
    /// The whole address, password included, for the one place that connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// What stands before `://`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// Scheme, host and port, as browsers name an origin.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The address with its password, and everything after a `?`, masked: some drivers take
    /// passwords as parameters.
    #[must_use]
    pub fn masked(&self) -> String {
        let mut shown = self.0.clone();
        if shown.password().is_some() {
            // Refused only for addresses that cannot have a password in the first place.
            let _ = shown.set_password(Some(MASK));
        }
        let secret = |name: &str| name.to_ascii_lowercase().contains("pass");
        if shown.query_pairs().any(|(name, _)| secret(&name)) {
            let pairs: Vec<_> = self.0.query_pairs().into_owned().collect();
            shown.query_pairs_mut().clear().extend_pairs(
                pairs.iter().map(|(k, v)| (k, if secret(k) { MASK } else { v.as_str() })),
            );
        }
        shown.into()
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for ServiceUrl {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The text is not repeated: it may hold a password.
        Url::parse(&String::deserialize(from)?)
            .map(Self)
            .map_err(|error| de::Error::custom(format_args!("expected a URL ({error})")))
    }
}

impl Serialize for ServiceUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServiceUrl {
        ServiceUrl(Url::parse(text).unwrap())
    }

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        let shown = url("postgres://shop:hunter2@db:5432/shop").masked();
        assert_eq!(shown, "postgres://shop:***@db:5432/shop");
        let shown = url("postgres:///shop?host=/run/pg&password=hunter2").masked();
        assert!(!shown.contains("hunter2") && shown.contains("host="), "{shown}");
        assert_eq!(url("redis://127.0.0.1:6379/").masked(), "redis://127.0.0.1:6379/");
        assert!(!format!("{:?}", url("amqp://a:hunter2@b/")).contains("hunter2"));
        assert_eq!(format!("{:?}", Secret::new("hunter2")), MASK);
    }
}
