//! `GET /sales`: what is on sale, and when.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::SalePath;
use crate::{
    app::App,
    kernel::{
        clock::Timestamp,
        ids::{ProductSlug, SaleSlug, Sku},
        money::{Currency, Money},
        quantity::Quantity,
    },
    shop::{
        catalog::{Product, SaleCatalog, SkuItem},
        sales::{Phase, Sale},
    },
    web::{
        cache::Public,
        error::Problem,
        extract::PathPart,
        shown::{self, MoneyShape},
    },
};

/// All sales.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaleList {
    /// The server's time, to count down by.
    #[schema(value_type = String, format = DateTime)]
    server_time: Timestamp,
    /// The one that starts first at the front.
    sales: Vec<SaleBody>,
}

/// A sale by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneSale {
    /// The server's time, to count down by.
    #[schema(value_type = String, format = DateTime)]
    server_time: Timestamp,
    /// The sale.
    #[serde(flatten)]
    sale: SaleBody,
}

/// A sale and what it sells.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sale)]
pub struct SaleBody {
    /// Its name in URLs.
    #[schema(value_type = String, example = "night-run")]
    slug: SaleSlug,
    /// For people to read.
    title: String,
    /// What it lets shoppers do now.
    #[schema(value_type = PhaseShape)]
    phase: Phase,
    /// From when units may be taken.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
    /// Of all its prices.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// How long a cart is kept, in seconds.
    hold_seconds: u64,
    /// Units that a shopper may hold and buy over the whole sale.
    #[schema(value_type = u32)]
    limit_per_shopper: Quantity,
    /// What it sells.
    products: Vec<ProductBody>,
}

/// What a sale lets shoppers do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Phase)]
pub enum PhaseShape {
    /// Not yet started.
    Before,
    /// Everything.
    Open,
    /// Nothing more is taken for now; what is held can be released and bought.
    Paused,
    /// Nothing more is taken; what is held can be released and bought.
    Ended,
}

/// A product, sold in one or more SKUs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductBody {
    /// Its name in URLs, unique within the sale.
    #[schema(value_type = String)]
    slug: ProductSlug,
    /// For people to read.
    title: String,
    /// Plain text, paragraphs apart by empty lines.
    description: String,
    /// Where its picture is, a path on this server.
    image: Option<String>,
    /// Units of all its SKUs together that a shopper may hold and buy.
    #[schema(value_type = Option<u32>)]
    limit_per_shopper: Option<Quantity>,
    /// In which it is sold.
    skus: Vec<SkuBody>,
}

/// What can be put into a cart.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sku)]
pub struct SkuBody {
    /// Its name, unique within the sale.
    #[schema(value_type = String, example = "RUN1-42")]
    sku: Sku,
    /// What tells it from its neighbours.
    #[schema(example = "EU 42")]
    label: String,
    /// Of one unit.
    #[schema(value_type = MoneyShape)]
    price: Money,
}

/// Lists the sales
///
/// The same for everyone; at most a second old.
#[utoipa::path(
    get,
    path = "/api/v1/sales",
    tag = "sales",
    operation_id = "listSales",
    responses((status = 200, description = "All sales", body = SaleList))
)]
pub async fn list(
    app: Data<App>,
    public: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let make = || async move {
        let now = shown::now(&app);
        let mut sales = Vec::new();
        for sale in app.sales.listed().await?.iter() {
            let catalog = shown::catalog(&app, sale).await?;
            sales.push(SaleBody::new(sale, &catalog, now));
        }
        shown::json(&SaleList { server_time: now, sales })
    };
    public.serve(&request, make).await
}

/// Shows a sale
///
/// The same for everyone; at most a second old.
#[utoipa::path(
    get,
    path = "/api/v1/sales/{sale}",
    tag = "sales",
    operation_id = "getSale",
    params(SalePath),
    responses((status = 200, description = "The sale", body = OneSale))
)]
pub async fn show(
    app: Data<App>,
    public: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let slug = SaleSlug::of(&request)?;
    let make = || async move {
        let (sale, catalog) = shown::sale(&app, &slug).await?;
        let now = shown::now(&app);
        shown::json(&OneSale { server_time: now, sale: SaleBody::new(&sale, &catalog, now) })
    };
    public.serve(&request, make).await
}

impl SaleBody {
    fn new(sale: &Sale, catalog: &SaleCatalog, now: Timestamp) -> Self {
        Self {
            slug: sale.slug.clone(),
            title: sale.title.clone(),
            phase: sale.phase(now),
            starts_at: sale.starts_at,
            ends_at: sale.ends_at,
            currency: sale.currency,
            hold_seconds: sale.hold.as_secs(),
            limit_per_shopper: sale.limit_per_shopper,
            products: catalog.products.iter().map(ProductBody::from).collect(),
        }
    }
}

impl From<&Product> for ProductBody {
    fn from(product: &Product) -> Self {
        Self {
            slug: product.slug.clone(),
            title: product.title.clone(),
            description: product.description.clone(),
            image: product.image.as_ref().map(shown::image_path),
            limit_per_shopper: product.limit,
            skus: product.skus.iter().map(SkuBody::from).collect(),
        }
    }
}

impl From<&SkuItem> for SkuBody {
    fn from(item: &SkuItem) -> Self {
        Self { sku: item.sku.clone(), label: item.label.clone(), price: item.price }
    }
}
