//! A product in a list.

use std::collections::BTreeMap;

use super::words::{availability, sum};
use crate::{
    kernel::{clock::Timestamp, ids::Sku},
    shop::{
        catalog::Product,
        inventory::Units,
        sales::{Phase, Sale},
    },
    web::shown,
};

/// What the macro `card` of `parts.html` shows.
pub(super) struct Card {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) image: Option<String>,
    pub(super) price: String,
    /// SKUs, for the script to add up; empty when nothing moves any more.
    pub(super) skus: String,
    pub(super) available: String,
}

impl Card {
    pub(super) fn new(
        sale: &Sale,
        product: &Product,
        stock: &BTreeMap<Sku, Units>,
        now: Timestamp,
    ) -> Self {
        let names: Vec<_> = product.skus.iter().map(|item| item.sku.as_str()).collect();
        let units = sum(product.skus.iter().filter_map(|item| stock.get(&item.sku)));
        let ended = sale.phase(now) == Phase::Ended;
        Self {
            href: format!("/sales/{}/products/{}", sale.slug, product.slug),
            title: product.title.clone(),
            image: product.image.as_ref().map(shown::image_path),
            price: price(product),
            skus: if ended { String::new() } else { names.join(" ") },
            available: if ended { String::new() } else { availability(units) },
        }
    }
}

/// What a product costs: `from` the least, when its SKUs differ.
pub(super) fn price(product: &Product) -> String {
    let prices = || product.skus.iter().map(|item| item.price);
    let least = prices().min_by_key(|price| price.amount);
    let from = if has_one_price(product) { "" } else { "from " };
    least.map(|price| format!("{from}{price}")).unwrap_or_default()
}

/// Whether all of its SKUs cost the same.
pub(super) fn has_one_price(product: &Product) -> bool {
    let mut prices = product.skus.iter().map(|item| item.price);
    prices.next().is_none_or(|first| prices.all(|price| price == first))
}
