//! What writes through more than one room. Each flow is one address for its order of steps, its
//! transaction and its undo.

pub mod cart_intake;
pub mod cart_lines;
pub mod checkout;
pub mod event_intake;
pub mod event_relay;
pub mod mailing;
pub mod opening;
pub mod reconciliation;
pub mod refunding;
pub mod sale_phases;
pub mod sale_terms;
pub mod statistics;
pub mod stock_flush;
pub mod webhook_delivery;

use std::time::Duration;

use crate::{
    kernel::quantity::{InvalidQuantity, Quantity},
    shop::{
        catalog::Product,
        events::OrderFactLine,
        inventory::{SkuTerms, Terms},
        orders::OrderLine,
        sales::Sale,
    },
};

/// What Redis must know of a sale and its products.
pub(crate) fn stock_terms(
    sale: &Sale,
    products: &[Product],
    grace: Duration,
) -> Result<Terms, InvalidQuantity> {
    let mut skus = Vec::new();
    for product in products {
        for sku in &product.skus {
            skus.push(SkuTerms {
                sku: sku.sku.clone(),
                product: product.slug.clone(),
                product_limit: product.limit.unwrap_or(Quantity::ZERO),
                total: sku.total.try_into()?,
            });
        }
    }
    Ok(Terms {
        paused: sale.paused,
        starts_at: sale.starts_at,
        ends_at: sale.ends_at,
        hold: sale.hold,
        grace,
        limit: sale.limit_per_shopper,
        skus,
    })
}

/// A line of an order, as events have it.
pub(crate) fn fact_line(line: &OrderLine) -> OrderFactLine {
    OrderFactLine {
        sku: line.sku.clone(),
        title: line.title.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        restocked: line.restocked,
    }
}
