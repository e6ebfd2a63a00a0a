//! What an order consists of.

use serde::Serialize;
use thiserror::Error;

use crate::kernel::{
    clock::Timestamp,
    ids::{OrderId, SaleId, SaleSlug, ShopperId, Sku},
    money::Money,
    quantity::Quantity,
};

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// The outcome is not known yet.
    Pending,
    /// Charged once, the units are the shopper's.
    Paid,
    /// The charge was refused; nothing was bought.
    Declined,
    /// It could not be carried out, and nothing was charged.
    Cancelled,
    /// Paid once, and wholly given back.
    Refunded,
}

impl OrderStatus {
    /// The name in the database and in the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Paid, Self::Declined, Self::Cancelled, Self::Refunded]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

/// A line of an order, as it was shown at the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// What was bought.
    pub sku: Sku,
    /// Product and label, such as `Runner One – EU 42`.
    pub title: String,
    /// Units, at least one.
    pub quantity: Quantity,
    /// Price of one unit.
    pub unit_price: Money,
    /// Units whose price was given back.
    pub refunded: Quantity,
    /// Those of them that are on sale again.
    pub restocked: Quantity,
}

/// An order as its owner sees it. E-mail and address stay in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id, which is also the key of its payment.
    pub id: OrderId,
    /// The sale that it was made in.
    pub sale: SaleId,
    /// The sale's name in URLs.
    pub sale_slug: SaleSlug,
    /// Whose it is.
    pub shopper: ShopperId,
    /// How far it has come.
    pub status: OrderStatus,
    /// Why it was declined or cancelled: a word such as `hold_expired`.
    pub reason: Option<String>,
    /// By SKU.
    pub lines: Vec<OrderLine>,
    /// What the lines come to.
    pub total: Money,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// What was given back of the total.
    pub refunded: Money,
    /// Who moves its money.
    pub provider: String,
    /// The provider's own name for the payment, once it has one.
    pub payment_reference: Option<String>,
    /// Where the bank wants to see the shopper before it decides.
    pub payment_action: Option<String>,
}

/// What an order is made of.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Chosen before the first step.
    pub id: OrderId,
    /// The sale.
    pub sale: SaleId,
    /// Whose it is.
    pub shopper: ShopperId,
    /// Where the receipt goes.
    pub email: Email,
    /// Where the goods go.
    pub shipping: Shipping,
    /// At least one.
    pub lines: Vec<OrderLine>,
    /// What the lines come to.
    pub total: Money,
    /// Who moves its money.
    pub provider: &'static str,
    /// Now.
    pub created_at: Timestamp,
}

/// A field that cannot be taken, named as in the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{field}: expected {expected}")]
pub struct InvalidField {
    /// Such as `shipping.city`.
    pub field: &'static str,
    /// What would be taken.
    pub expected: &'static str,
}

/// An e-mail address that might be one: whether mail arrives, only mail can tell.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads an address of 254 characters at most, with one `@` and a dot behind it.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        const INVALID: InvalidField =
            InvalidField { field: "email", expected: "an address such as name@example.org" };
        let (name, domain) = text.split_once('@').ok_or(INVALID)?;
        let inner_dot = domain.split_once('.').is_some_and(|(first, rest)| {
            !first.is_empty() && !rest.is_empty() && !rest.ends_with('.') && !domain.contains("..")
        });
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | '"');
        let sound = (1..=64).contains(&name.len())
            && text.len() <= 254
            && inner_dot
            && !domain.contains('@')
            && !text.contains(odd);
        if sound { Ok(Self(text.to_owned())) } else { Err(INVALID) }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the goods go. Each field is trimmed, 1 to 200 characters, none of them control
/// characters; the country is two letters.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Shipping {
    name: String,
    line1: String,
    city: String,
    postal_code: String,
    country: String,
}

impl Shipping {
    /// Reads an address.
    pub fn parse(
        name: &str,
        line1: &str,
        city: &str,
        postal_code: &str,
        country: &str,
    ) -> Result<Self, InvalidField> {
        let country = country.trim();
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_alphabetic()) {
            let expected = "two letters of ISO 3166, such as DE";
            return Err(InvalidField { field: "shipping.country", expected });
        }
        Ok(Self {
            name: plain("shipping.name", name)?,
            line1: plain("shipping.line1", line1)?,
            city: plain("shipping.city", city)?,
            postal_code: plain("shipping.postal_code", postal_code)?,
            country: country.to_ascii_uppercase(),
        })
    }
}

fn plain(field: &'static str, text: &str) -> Result<String, InvalidField> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 200 || text.contains(char::is_control) {
        return Err(InvalidField { field, expected: "1 to 200 characters on one line" });
    }
    Ok(text.to_owned())
}

// Personal data does not reach a log by way of a debug print.
impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(…)")
    }
}

impl std::fmt::Debug for Shipping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shipping(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_addresses_are_refused() {
        assert!(Email::parse("a.b+c@example.co.uk").is_ok());
        let long = format!("a@{}.org", "b".repeat(250));
        for bad in
            ["", "@", "a@b", "a@.org", "a@b.", "a@b..c", "a@@b.c", "a b@c.de", "a@b.c\n", &long]
        {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_shipping_address_names_the_field_at_fault() {
        let parse =
            |city: &str, country: &str| Shipping::parse(" Ada ", "1 Way", city, "N1", country);
        assert_eq!(parse("London", "gb").unwrap().country, "GB");
        assert_eq!(parse("London", "gb").unwrap().name, "Ada");
        let field = |result: Result<Shipping, InvalidField>| result.unwrap_err().field;
        assert_eq!(field(parse(" ", "gb")), "shipping.city");
        assert_eq!(field(parse("Lon\0don", "gb")), "shipping.city");
        assert_eq!(field(parse(&"x".repeat(201), "gb")), "shipping.city");
        assert_eq!(field(parse("London", "England")), "shipping.country");
    }

    #[test]
    fn a_status_reads_back_from_its_name() {
        for status in ["pending", "paid", "declined", "cancelled", "refunded"] {
            assert_eq!(OrderStatus::parse(status).unwrap().as_str(), status);
        }
        assert_eq!(OrderStatus::parse("Paid"), None);
    }
}
