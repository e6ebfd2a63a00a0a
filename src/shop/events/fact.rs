//! What can happen.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::kernel::{
    clock::Timestamp,
    ids::{OrderId, SaleSlug, ShopperId, Sku},
    money::Money,
    quantity::Quantity,
};

macro_rules! facts {
    ($($(#[doc = $doc:literal])* $name:ident($data:ty) = $kind:literal,)*) => {
        /// Every type of event, with its data.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        pub enum Fact {
            $($(#[doc = $doc])* #[serde(rename = $kind)] $name($data),)*
        }

        impl Fact {
            /// Every type's name.
            pub const KINDS: &[&str] = &[$($kind),*];

            /// Its type's name.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)* }
            }

            /// What a type tells of, and the schema of its data.
            pub(super) fn describe(
                kind: &str,
                generator: &mut SchemaGenerator,
            ) -> Option<(&'static str, Schema)> {
                match kind {
                    $($kind => Some((
                        concat!($($doc),*).trim(),
                        generator.subschema_for::<$data>(),
                    )),)*
                    _ => None,
                }
            }

            /// What it is about.
            pub(super) fn subject(&self) -> String {
                match self { $(Self::$name(data) => data.subject(),)* }
            }
        }
    };
}

facts! {
    /// Shoppers may take.
    SaleOpened(PhaseFact) = "sale.opened.v1",
    /// Taking stands still until the sale is opened again.
    SalePaused(PhaseFact) = "sale.paused.v1",
    /// Nothing more is taken.
    SaleEnded(PhaseFact) = "sale.ended.v1",
    /// Nothing of a SKU is available any more.
    StockSoldOut(StockFact) = "stock.sold_out.v1",
    /// Something of a SKU that was sold out is available again.
    StockReturned(StockFact) = "stock.returned.v1",
    /// An order was paid.
    OrderPaid(OrderFact) = "order.paid.v1",
    /// The payment of an order was refused.
    OrderDeclined(OrderFact) = "order.declined.v1",
    /// An order came to nothing for another reason.
    OrderCancelled(OrderFact) = "order.cancelled.v1",
    /// Money was given back, in whole or in part.
    OrderRefunded(RefundFact) = "order.refunded.v1",
}

/// A sale that entered a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseFact {
    /// The sale.
    pub sale: SaleSlug,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// A SKU's units, as they were counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockFact {
    /// The sale.
    pub sale: SaleSlug,
    /// What.
    pub sku: Sku,
    /// Units in all.
    pub total: i64,
    /// Units that can be taken.
    pub available: i64,
    /// Units in carts.
    pub held: i64,
    /// Units bought.
    pub sold: i64,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderFact {
    /// The order.
    pub order: OrderId,
    /// The sale that it was made in.
    pub sale: SaleSlug,
    /// Whose it is.
    pub shopper: ShopperId,
    /// `paid`, `declined`, `cancelled` or `refunded`.
    pub status: String,
    /// Why it was declined or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By SKU.
    pub lines: Vec<OrderFactLine>,
    /// What the lines come to.
    pub total: Money,
    /// What was given back of it so far.
    pub refunded_total: Money,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderFactLine {
    /// What.
    pub sku: Sku,
    /// As it was shown.
    pub title: String,
    /// Units.
    pub quantity: Quantity,
    /// Price of one.
    pub unit_price: Money,
    /// Units that were given back and are on sale again.
    #[serde(default)]
    pub restocked: Quantity,
}

/// A refund, and the order as it stands after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefundFact {
    /// The refund's id.
    pub refund: uuid::Uuid,
    /// What was given back by it.
    pub amount: Money,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The order after it.
    #[serde(flatten)]
    pub order: OrderFact,
}

impl PhaseFact {
    fn subject(&self) -> String {
        self.sale.to_string()
    }
}

impl StockFact {
    fn subject(&self) -> String {
        format!("{}/{}", self.sale, self.sku)
    }
}

impl OrderFact {
    fn subject(&self) -> String {
        self.order.to_string()
    }
}

impl RefundFact {
    fn subject(&self) -> String {
        self.order.subject()
    }
}
