//! `/sales/{sale}/products/{product}`: look at it, put it into the cart.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    files::{SCRIPT, STYLE},
    view::{self, LineForm, Notice, SaleHead, availability, private, public, redirect},
};
use crate::{
    app::App,
    kernel::{
        ids::{ProductSlug, SaleSlug, Sku},
        quantity::Quantity,
    },
    shop::{
        catalog::{Product, SaleCatalog},
        sales::{Phase, Sale},
    },
    web::{
        cache::Public,
        error::Problem,
        extract::{Form, PathPart, Visitor},
        shown,
    },
};

#[derive(Template)]
#[template(path = "product.html", config = "src/web/pages/askama.toml")]
struct ProductPage {
    sale: SaleHead,
    title: String,
    paragraphs: Vec<String>,
    image: Option<String>,
    choices: Vec<Choice>,
    /// Whether something can be put into the cart now.
    open: bool,
    limit: u32,
    quantity: u32,
    notice: Option<Notice>,
}

struct Choice {
    sku: String,
    label: String,
    price: String,
    available: String,
    sold_out: bool,
    chosen: bool,
}

/// The page.
pub async fn show(
    app: Data<App>,
    cache: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let place = Place::named(&request)?;
    let make = || async move { public(&place.look(&app).await?.page(&app, None, None).await?) };
    cache.serve(&request, make).await
}

/// The form on the page.
pub async fn put_into_cart(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
    form: Form<LineForm>,
) -> Result<HttpResponse, Problem> {
    let looked = Place::named(&request)?.look(&app).await?;
    let LineForm { sku, quantity } = form.0;
    let (shopper, token) = view::shopper(&app, visitor);
    let reply = match app.cart_lines.set(&looked.sale, shopper, sku.clone(), quantity).await {
        Ok(_) => redirect(format!("/sales/{}/cart", looked.sale.slug)),
        Err(error) => {
            let problem = Problem::from(error);
            if !view::tellable(&problem) {
                return Err(problem);
            }
            let page = looked.page(&app, Some((&sku, quantity)), Some(&problem)).await?;
            private(&page, Some(&problem))?
        }
    };
    view::remember(&app, &request, token, reply)
}

struct Place {
    sale: SaleSlug,
    product: ProductSlug,
}

struct Looked {
    sale: Arc<Sale>,
    catalog: Arc<SaleCatalog>,
    product: Product,
}

impl Place {
    fn named(request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self { sale: SaleSlug::of(request)?, product: ProductSlug::of(request)? })
    }

    async fn look(&self, app: &App) -> Result<Looked, Problem> {
        let (sale, catalog) = shown::sale(app, &self.sale).await?;
        let product = catalog.product(&self.product).cloned();
        let product = product.ok_or_else(|| Problem::not_found("product"))?;
        Ok(Looked { sale, catalog, product })
    }
}

impl Looked {
    async fn page(
        &self,
        app: &App,
        chosen: Option<(&Sku, Quantity)>,
        problem: Option<&Problem>,
    ) -> Result<ProductPage, Problem> {
        let stock = shown::stock(app, &self.sale, &self.catalog).await?;
        let sale = SaleHead::new(&self.sale, shown::now(app));
        let product = &self.product;
        let only = product.skus.len() == 1;
        let choices = product.skus.iter().map(|item| {
            let units = stock.get(&item.sku).copied().unwrap_or_default();
            Choice {
                sku: item.sku.to_string(),
                label: item.label.clone(),
                price: item.price.to_string(),
                available: availability(units),
                sold_out: units.available <= 0,
                chosen: only || chosen.is_some_and(|(sku, _)| *sku == item.sku),
            }
        });
        let limit = self.sale.limit_per_shopper;
        Ok(ProductPage {
            title: product.title.clone(),
            paragraphs: paragraphs(&product.description),
            image: product.image.as_ref().map(shown::image_path),
            choices: choices.collect(),
            open: sale.phase == Phase::Open,
            limit: product.limit.map_or(limit, |own| own.min(limit)).get(),
            quantity: chosen.map_or(1, |(_, quantity)| quantity.get()),
            notice: problem.map(Notice::from),
            sale,
        })
    }
}

/// Paragraphs stand apart by empty lines.
fn paragraphs(description: &str) -> Vec<String> {
    description
        .split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}
