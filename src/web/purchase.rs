//! What a checkout asks for, read alike from JSON and from the form of the page.

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::schema::{Object, ObjectBuilder, Type},
};

use super::{
    countries,
    extract::{Fields, FromFields},
};
use crate::shop::{
    orders::{Email, Shipping},
    payments::Method,
};

/// Characters of a line of an address; [`Shipping`] takes no more.
const LONGEST_LINE: usize = 200;
/// Characters of an e-mail address that can be delivered to.
const LONGEST_EMAIL: usize = 254;
/// Characters of a cart's version; ours are 32.
const LONGEST_VERSION: usize = 64;

/// Who buys, where it goes and how it is paid.
#[derive(Debug)]
pub struct Wish {
    /// Where the receipt goes.
    pub email: Email,
    /// Where the goods go.
    pub shipping: Shipping,
    /// How it is paid.
    pub method: Method,
    /// The cart that the shopper saw, if just that one is to be bought.
    pub cart_version: Option<String>,
}

impl FromFields for Wish {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let expected = "an address such as name@example.org";
        let email = fields.parsed("email", LONGEST_EMAIL, expected, |text| Email::parse(text).ok());
        let shipping = fields.object("shipping", "shipping.", shipping);
        let method = fields.object("payment", "payment.", |payment| {
            let expected = "1 to 200 visible characters";
            payment.parsed("method", LONGEST_LINE, expected, |text| text.parse().ok())
        });
        let cart_version = fields.optional_text("cart_version", LONGEST_VERSION);
        Some(Self {
            email: email?,
            shipping: shipping?,
            method: method?,
            cart_version: cart_version?,
        })
    }
}

fn shipping(fields: &mut Fields) -> Option<Shipping> {
    let name = fields.text("name", LONGEST_LINE);
    let line1 = fields.text("line1", LONGEST_LINE);
    let city = fields.text("city", LONGEST_LINE);
    let postal_code = fields.text("postal_code", LONGEST_LINE);
    let expected = "two capital letters of ISO 3166, such as DE";
    let country = fields.parsed("country", 2, expected, countries::known);
    Shipping::parse(&name?, &line1?, &city?, &postal_code?, country?).ok()
}

/// The body of a checkout, for the document: `Wish` reads it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Checkout)]
pub struct WishShape {
    /// Where the receipt goes.
    #[schema(
        max_length = 254,
        pattern = r"^[A-Za-z0-9._+-]{1,64}@([a-z0-9-]{1,40}[.]){1,3}[a-z]{2,20}$"
    )]
    pub email: String,
    /// Where the goods go.
    pub shipping: ShippingShape,
    /// How it is paid.
    pub payment: PaymentShape,
    /// The `version` of the cart that the shopper saw: just that one is bought, or nothing.
    #[schema(max_length = 64, pattern = r"^[!-~]+$")]
    pub cart_version: Option<String>,
}

/// An address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Shipping)]
pub struct ShippingShape {
    /// Of the person. No control characters, as in every field here.
    #[schema(max_length = 200, pattern = r"^[!-~]([ -~]*[!-~])?$")]
    pub name: String,
    /// Street and number.
    #[schema(max_length = 200, pattern = r"^[!-~]([ -~]*[!-~])?$")]
    pub line1: String,
    /// Town.
    #[schema(max_length = 200, pattern = r"^[!-~]([ -~]*[!-~])?$")]
    pub city: String,
    /// As the country writes it.
    #[schema(max_length = 200, pattern = r"^[!-~]([ -~]*[!-~])?$")]
    pub postal_code: String,
    /// ISO 3166-1, two capital letters.
    #[schema(schema_with = country)]
    pub country: String,
}

fn country() -> Object {
    let codes = countries::ALL.iter().map(|(code, _)| *code);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).build()
}

/// How it is paid.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Payment)]
pub struct PaymentShape {
    /// In the provider's words. The sandbox, which moves no money, knows `card_ok` (paid at once),
    /// `card_declined` (refused), `card_timeout` (answers 202 and is paid five seconds later) and
    /// `card_slow` (paid after two). Stripe takes the id of a payment method (`pm_…`) or of a
    /// confirmation token (`ctoken_…`).
    #[schema(
        max_length = 200,
        example = "card_ok",
        pattern = "^(card_(ok|declined|timeout|slow)|(pm|ctoken)_[A-Za-z0-9_]+)$"
    )]
    pub method: String,
}
