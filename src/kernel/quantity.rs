//! Units of a SKU.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de};
use thiserror::Error;

/// A count of units, 0 to [`Quantity::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Quantity(u32);

/// A number that is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a whole number from 0 to {}", Quantity::MAX)]
pub struct InvalidQuantity;

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More units of one SKU than any sale has; keeps sums far from overflow.
    pub const MAX: u32 = 100_000_000;

    /// The count.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidQuantity;
    fn try_from(count: i64) -> Result<Self, InvalidQuantity> {
        u32::try_from(count).ok().filter(|n| *n <= Self::MAX).map(Self).ok_or(InvalidQuantity)
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        quantity.0.into()
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        i64::deserialize(from)?.try_into().map_err(de::Error::custom)
    }
}
