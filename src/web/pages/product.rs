//! `/sales/{sale}/products/{product}`: look at it, put it into the cart.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    card::{has_one_price, price},
    files::{SCRIPT, STYLE},
    sale_head::SaleHead,
    share::Share,
    view::{self, LineForm, Notice, private, public_of, redirect},
    words::{availability, paragraphs, shelf, sum},
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
        cookie::remember,
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
    price: String,
    choices: Vec<Choice>,
    /// All SKUs together: their names, what is left, and what is said when nothing is.
    skus: String,
    available: String,
    shelf: String,
    /// Whether something can be put into the cart now.
    open: bool,
    limit: u32,
    quantity: u32,
    notice: Option<Notice>,
    share: Share,
}

struct Choice {
    sku: String,
    label: String,
    /// Where it is not the same for all.
    price: Option<String>,
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
    let make = || async move {
        let page = place.look(&app).await?.page(&app, None, None).await?;
        public_of(&page.sale, &page)
    };
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
    remember(&app, &request, token, reply)
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

impl ProductPage {
    /// Few enough to choose from; of more, the number is typed.
    fn is_choice(&self) -> bool {
        self.limit <= 10
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
        let sale = sale.behind(shown::behind(app, &self.sale));
        let product = &self.product;
        let only = product.skus.len() == 1;
        let one_price = has_one_price(product);
        let all = sum(product.skus.iter().filter_map(|item| stock.get(&item.sku)));
        let names: Vec<_> = product.skus.iter().map(|item| item.sku.as_str()).collect();
        let path = format!("/sales/{}/products/{}", sale.slug, product.slug);
        let about =
            if product.description.is_empty() { &product.title } else { &product.description };
        let choices = product.skus.iter().map(|item| {
            let units = stock.get(&item.sku).copied().unwrap_or_default();
            Choice {
                sku: item.sku.to_string(),
                label: item.label.clone(),
                price: (!one_price).then(|| item.price.to_string()),
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
            price: price(product),
            choices: choices.collect(),
            skus: names.join(" "),
            available: availability(all),
            shelf: shelf(all),
            open: sale.phase == Phase::Open,
            limit: product.limit.map_or(limit, |own| own.min(limit)).get(),
            quantity: chosen.map_or(1, |(_, quantity)| quantity.get()),
            notice: problem.map(Notice::from),
            share: Share::new(app, &path, &product.title, about)
                .picture(app, Some(product))
                .offer(&self.sale, sale.phase, product, all),
            sale,
        })
    }
}
