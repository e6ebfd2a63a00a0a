//! `/sales/{sale}`: what it sells.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    card::Card,
    files::{SCRIPT, STYLE},
    sale_head::SaleHead,
    share::Share,
    view::public_of,
};
use crate::{
    app::App,
    kernel::ids::SaleSlug,
    web::{cache::Public, error::Problem, extract::PathPart, shown},
};

#[derive(Template)]
#[template(path = "sale.html", config = "src/web/pages/askama.toml")]
struct SalePage {
    sale: SaleHead,
    products: Vec<Card>,
    share: Share,
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
        let now = shown::now(&app);
        let names: Vec<_> = catalog.products.iter().map(|product| &*product.title).collect();
        let path = format!("/sales/{slug}");
        let page = SalePage {
            sale: SaleHead::new(&sale, now).behind(shown::behind(&app, &sale)),
            products: catalog.products.iter().map(|p| Card::new(&sale, p, &stock, now)).collect(),
            share: Share::new(&app, &path, &sale.title, &names.join(", "))
                .picture(&app, catalog.products.first()),
        };
        public_of(&page.sale, &page)
    };
    cache.serve(&request, make).await
}
