//! Names and identifiers. Slugs and SKUs are short strings that are cheap to clone; shoppers and
//! orders are prefixed `UUIDv7`s, so that they sort by the time they were made.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de};
use thiserror::Error;
use uuid::Uuid;

/// Text that is not a valid name or id. The message says what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {expected}")]
pub struct InvalidId {
    expected: &'static str,
}

fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_sku(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $valid:ident, $pattern:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if $valid(text) { Ok(Self(text.into())) } else { Err(InvalidId { expected: $expected }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }

        text_schema!($name, $pattern);
    };
}

/// JSON Schema of what travels as text.
macro_rules! text_schema {
    ($name:ident, $pattern:expr) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

name! {
    /// A sale's name in URLs, unique in the shop.
    SaleSlug, is_slug, "^[a-z0-9-]{1,64}$", "1 to 64 of a-z, 0-9 and -"
}
name! {
    /// A product's name in URLs, unique within its sale.
    ProductSlug, is_slug, "^[a-z0-9-]{1,64}$", "1 to 64 of a-z, 0-9 and -"
}
name! {
    /// A stock keeping unit, unique within its sale.
    Sku, is_sku, "^[A-Za-z0-9._-]{1,40}$", "1 to 40 of A-Z, a-z, 0-9, '.', '_' and '-'"
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.as_simple())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                const EXPECTED: InvalidId =
                    InvalidId { expected: concat!($prefix, " and 32 hexadecimal digits") };
                let digits = text.strip_prefix($prefix).ok_or(EXPECTED)?;
                if digits.len() != 32 {
                    return Err(EXPECTED);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| EXPECTED)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }

        text_schema!($name, concat!("^", $prefix, "[0-9a-f]{32}$"));
    };
}

id! {
    /// A shopper, known by a signed token only.
    ShopperId, "shp_"
}
id! {
    /// An order; also the key under which its payment is made.
    OrderId, "ord_"
}
id! {
    /// Where a merchant is sent events.
    EndpointId, "whe_"
}
id! {
    /// An event on its way to one endpoint; the same with every try.
    DeliveryId, "msg_"
}

/// A sale's row in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SaleId(pub i64);

/// The part of a sale whose stock lies together in Redis, under one hash tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// The sale.
    pub sale: SaleSlug,
    /// From 0; a sale has one bucket unless it outgrows one Redis core.
    pub number: u16,
}

impl Bucket {
    /// The first, and by default only, bucket of a sale.
    #[must_use]
    pub fn first(sale: SaleSlug) -> Self {
        Self { sale, number: 0 }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sale, self.number)
    }
}

/// A refund's id, which is also the key under which its money is given back.
pub type RefundId = Uuid;

/// Where new ids come from. Cheap to clone; tests put in their own.
#[derive(Clone)]
pub struct Ids(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl Ids {
    /// Ids from the machine's clock and randomness.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    pub fn random() -> Self {
        Self(Arc::new(Uuid::now_v7))
    }

    /// A name that nothing else has.
    #[must_use]
    pub fn unique(&self) -> Uuid {
        (self.0)()
    }

    /// A new shopper.
    #[must_use]
    pub fn shopper(&self) -> ShopperId {
        ShopperId((self.0)())
    }

    /// A new order.
    #[must_use]
    pub fn order(&self) -> OrderId {
        OrderId((self.0)())
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text() {
        let order = Ids::random().order();
        assert_eq!(order.to_string().parse(), Ok(order));
        assert!("ord_1".parse::<OrderId>().is_err());
        assert!(order.to_string().replace("ord_", "shp_").parse::<OrderId>().is_err());
    }

    #[test]
    fn names_refuse_what_urls_and_keys_cannot_carry() {
        for bad in ["", "A", "a/b", "a\0", "ü", &"a".repeat(65)] {
            assert!(bad.parse::<SaleSlug>().is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a:b", "a;b", "a=b", &"a".repeat(41)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad:?}");
        }
        assert!("RUN1-42.5_x".parse::<Sku>().is_ok());
    }
}
