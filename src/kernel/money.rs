//! Money: whole minor units with their ISO 4217 currency.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de};
use thiserror::Error;

use super::quantity::Quantity;

/// An ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// An amount that cannot be read or does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidMoney {
    /// Not a currency code in use.
    #[error("expected an ISO 4217 currency code such as EUR")]
    Currency,
    /// Not a plain decimal number.
    #[error("expected a decimal number such as 129.00")]
    Number,
    /// More decimals than the currency has.
    #[error("{0} has {1} decimals at most")]
    Decimals(Currency, usize),
    /// Beyond what an order may come to.
    #[error("the amount is too large")]
    TooLarge,
}

impl Currency {
    /// Decimals of the currency: 2 for EUR, 0 for JPY.
    #[must_use]
    pub fn exponent(self) -> usize {
        self.0.exponent().map_or(0, usize::from)
    }

    /// The sign that everybody knows it by, if there is one: a krona and a dollar of elsewhere are
    /// better told by their code.
    #[must_use]
    pub fn sign(self) -> Option<&'static str> {
        match self.0.code() {
            "EUR" => Some("€"),
            "USD" => Some("$"),
            "GBP" => Some("£"),
            "JPY" => Some("¥"),
            _ => None,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidMoney;
    fn from_str(code: &str) -> Result<Self, InvalidMoney> {
        iso_currency::Currency::from_code(code).map(Self).ok_or(InvalidMoney::Currency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$" })
    }
}

/// An amount in minor units (cents), never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units.
    pub amount: i64,
    /// Whose minor units.
    pub currency: Currency,
}

impl Money {
    /// The largest amount: far above any order, far below overflow.
    pub const MAX: i64 = 1_000_000_000_000;

    /// Nothing, in `currency`.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// Reads a decimal such as `129.00`; more decimals than the currency has are an error.
    pub fn parse(decimal: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let exponent = currency.exponent();
        let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || decimal.ends_with('.') {
            return Err(InvalidMoney::Number);
        }
        if fraction.len() > exponent {
            return Err(InvalidMoney::Decimals(currency, exponent));
        }
        format!("{whole}{fraction:0<exponent$}")
            .parse()
            .ok()
            .filter(|amount| *amount <= Self::MAX)
            .map(|amount| Self { amount, currency })
            .ok_or(InvalidMoney::TooLarge)
    }

    /// The price of `quantity` units at this price each; `None` when it is too large.
    #[must_use]
    pub fn times(self, quantity: Quantity) -> Option<Self> {
        let amount = self.amount.checked_mul(quantity.into())?;
        (amount <= Self::MAX).then_some(Self { amount, ..self })
    }

    /// The sum; `None` when it is too large or the currencies differ.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let amount = self.amount.checked_add(other.amount)?;
        (amount <= Self::MAX && self.currency == other.currency).then_some(Self { amount, ..self })
    }

    /// The amount as a decimal without the currency, such as `129.00`.
    #[must_use]
    pub fn decimal(self) -> String {
        let exponent = self.currency.exponent();
        let digits = format!("{:0>width$}", self.amount, width = exponent + 1);
        let (whole, fraction) = digits.split_at(digits.len() - exponent);
        if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }
}

/// For people: `€1,290.00`, `¥14,900`, `CHF 129.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.currency.sign() {
            Some(sign) => f.write_str(sign)?,
            None => write!(f, "{}\u{a0}", self.currency)?,
        }
        let decimal = self.decimal();
        let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
        for (nth, digit) in whole.chars().enumerate() {
            if nth > 0 && (whole.len() - nth).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    #[test]
    fn prices_keep_their_currency_s_decimals() {
        assert_eq!(Money::parse("129.00", eur()).unwrap().amount, 12_900);
        assert_eq!(Money::parse("129.5", eur()).unwrap().amount, 12_950);
        assert_eq!(Money::parse("129", "JPY".parse().unwrap()).unwrap().amount, 129);
        for bad in ["", "-1", "1.", ".5", "1e3", "1,00", "1.000", " 1", "99999999999999999999"] {
            assert!(Money::parse(bad, eur()).is_err(), "{bad}");
        }
        assert!("euro".parse::<Currency>().is_err());
    }

    #[test]
    fn people_read_signs_groups_and_the_currency_s_own_decimals() {
        for (code, amount, shown) in [
            ("EUR", 12_900, "€129.00"),
            ("USD", 123_456_789, "$1,234,567.89"),
            ("JPY", 14_900, "¥14,900"),
            ("CHF", 12_900, "CHF\u{a0}129.00"),
            ("KWD", 5, "KWD\u{a0}0.005"),
        ] {
            let money = Money { amount, currency: code.parse().unwrap() };
            assert_eq!(money.to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn decimals_read_back(amount in 0..=Money::MAX) {
            for code in ["EUR", "JPY", "KWD"] {
                let money = Money { amount, currency: code.parse().unwrap() };
                prop_assert_eq!(Money::parse(&money.decimal(), money.currency), Ok(money));
            }
        }
    }
}
