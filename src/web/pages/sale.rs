//! `/sales/{sale}`: what it sells.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    files::{SCRIPT, STYLE},
    view::{SaleHead, availability, public},
};
use crate::{
    app::App,
    kernel::ids::SaleSlug,
    shop::inventory::Units,
    web::{cache::Public, error::Problem, extract::PathPart, shown},
};

#[derive(Template)]
#[template(path = "sale.html", config = "src/web/pages/askama.toml")]
struct SalePage {
    sale: SaleHead,
    products: Vec<Card>,
}

struct Card {
    slug: String,
    title: String,
    image: Option<String>,
    price: String,
    /// SKUs, for the script to add up.
    skus: String,
    available: String,
}

/// The page.
pub async fn show(
    app: Data<App>,
    cache: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let slug = SaleSlug::of(&request)?;
    let make = || async move {
        let (sale, catalog) = shown::sale(&app, &slug).await?;
        let stock = shown::stock(&app, &sale, &catalog).await?;
        let cards = catalog.products.iter().map(|product| {
            let units = product.skus.iter().filter_map(|item| stock.get(&item.sku));
            let units = units.fold(Units::default(), |sum, units| Units {
                available: sum.available.saturating_add(units.available),
                held: sum.held.saturating_add(units.held),
                ..sum
            });
            let prices = || product.skus.iter().map(|item| item.price);
            let least = prices().min_by_key(|price| price.amount);
            let one_price = prices().all(|price| Some(price) == least);
            let from = if one_price { "" } else { "from " };
            let names: Vec<_> = product.skus.iter().map(|item| item.sku.as_str()).collect();
            Card {
                slug: product.slug.to_string(),
                title: product.title.clone(),
                image: product.image.as_ref().map(shown::image_path),
                price: least.map(|price| format!("{from}{price}")).unwrap_or_default(),
                skus: names.join(" "),
                available: availability(units),
            }
        });
        public(&SalePage {
            sale: SaleHead::new(&sale, shown::now(&app)),
            products: cards.collect(),
        })
    };
    cache.serve(&request, make).await
}
