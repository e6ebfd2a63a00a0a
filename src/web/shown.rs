//! What the API and the pages show alike: a sale with its catalogue, its stock, a priced cart.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::{cache::Ready, error::Problem};
use crate::{
    app::App,
    kernel::{
        clock::{Timestamp, from_millis},
        ids::{Bucket, SaleSlug, ShopperId, Sku},
        money::Money,
        quantity::Quantity,
    },
    shop::{
        cart::version,
        catalog::{ImageRef, Product, SaleCatalog, SkuItem},
        inventory::{self, CartState, Units},
        orders::OrderLine,
        sales::Sale,
    },
};

/// Views are renewed several times a second.
const BEHIND: TimeDelta = TimeDelta::seconds(5);

/// An amount in minor units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub struct MoneyShape {
    /// Minor units: 12900 is 129.00 EUR.
    #[schema(minimum = 0, example = 12900)]
    amount: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
}

/// A line of a cart or of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub struct LineShape {
    /// What it is.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Product and label.
    #[schema(example = "Runner One – EU 42")]
    pub title: String,
    /// Units.
    #[schema(value_type = u32)]
    pub quantity: Quantity,
    /// Price of one unit.
    #[schema(value_type = MoneyShape)]
    pub unit_price: Money,
}

impl From<OrderLine> for LineShape {
    fn from(line: OrderLine) -> Self {
        let OrderLine { sku, title, quantity, unit_price, .. } = line;
        Self { sku, title, quantity, unit_price }
    }
}

/// A cart with titles and prices.
#[derive(Debug)]
pub struct Cart {
    /// By SKU.
    pub lines: Vec<LineShape>,
    /// When it runs out; the past end of one that ran out.
    pub expires_at: Option<Timestamp>,
    /// What the lines come to.
    pub total: Money,
    /// Of its lines and prices.
    pub version: String,
    /// Whether it may be changed.
    pub state: CartState,
}

/// The present instant, to the millisecond.
#[must_use]
pub fn now(app: &App) -> Timestamp {
    from_millis(app.clock.now().timestamp_millis())
}

/// Bytes of JSON that are the same for everyone.
pub fn json(value: &impl Serialize) -> Result<Ready, Problem> {
    serde_json::to_vec(value).map(Ready::json).map_err(Problem::internal)
}

/// Where a picture is.
#[must_use]
pub fn image_path(image: &ImageRef) -> String {
    format!("/images/{}", image.hash)
}

/// What the sale sells.
pub async fn catalog(app: &App, sale: &Sale) -> Result<Arc<SaleCatalog>, Problem> {
    Ok(app.catalog.of_sale(sale.id, sale.currency, sale.revision).await?)
}

/// A sale with what it sells.
pub async fn sale(app: &App, slug: &SaleSlug) -> Result<(Arc<Sale>, Arc<SaleCatalog>), Problem> {
    let sale = app.sales.by_slug(slug).await?;
    let catalog = catalog(app, &sale).await?;
    Ok((sale, catalog))
}

/// Counts of every SKU of the sale: as the feed last heard; before it heard anything as they were
/// last flushed; and before there was anything to flush, everything is on the shelf.
pub async fn stock(
    app: &App,
    sale: &Sale,
    catalog: &SaleCatalog,
) -> Result<BTreeMap<Sku, Units>, Problem> {
    let bucket = Bucket::first(sale.slug.clone());
    let known = if let Some(view) = app.stock_views.view(&bucket) {
        view.units.clone()
    } else {
        app.stock_views.follow(bucket);
        let flushed = inventory::store::counts(&app.pool, sale.id).await;
        let flushed = flushed.map_err(Problem::away)?;
        Arc::new(flushed.map(|(counts, _)| counts).unwrap_or_default())
    };
    let items = catalog.products.iter().flat_map(|product| &product.skus);
    Ok(items
        .map(|item| {
            let untouched = Units { total: item.total, available: item.total, ..Units::default() };
            (item.sku.clone(), known.get(&item.sku).copied().unwrap_or(untouched))
        })
        .collect())
}

/// Since when nothing was heard of the sale's stock, when that is longer than it takes: Redis is away,
/// and what is shown is the last that is known.
#[must_use]
pub fn behind(app: &App, sale: &Sale) -> Option<Timestamp> {
    let view = app.stock_views.view(&Bucket::first(sale.slug.clone()))?;
    (app.clock.now() - view.as_of > BEHIND).then_some(view.as_of)
}

/// What the shopper holds, with titles and prices.
pub async fn cart(
    app: &App,
    sale: &Sale,
    catalog: &SaleCatalog,
    shopper: ShopperId,
) -> Result<Cart, Problem> {
    let view = app.cart_lines.cart(sale, shopper).await?;
    let lines: Vec<LineShape> = view
        .lines
        .into_iter()
        .map(|(sku, quantity)| {
            // The stock may know of a new SKU a moment before this process' catalogue does.
            let (product, item) = catalog.find(&sku).ok_or_else(|| {
                Problem::away(anyhow::anyhow!("the catalogue does not have {sku} yet"))
            })?;
            let title = title(product, item);
            Ok(LineShape { sku, title, quantity, unit_price: item.price })
        })
        .collect::<Result<_, Problem>>()?;
    let priced = lines.iter().map(|line| (&line.sku, line.quantity, line.unit_price));
    let version = version::version(priced);
    let total = lines
        .iter()
        .try_fold(Money::zero(sale.currency), |sum, line| {
            sum.plus(line.unit_price.times(line.quantity)?)
        })
        .ok_or_else(|| Problem::internal(anyhow::anyhow!("a cart's total is out of range")))?;
    // A cart that ran out keeps its past end, which is of no use to a caller without lines.
    let expires_at = view.expires_at.filter(|_| !lines.is_empty());
    Ok(Cart { lines, expires_at, total, version, state: view.state })
}

/// A SKU as carts and orders call it.
#[must_use]
pub fn title(product: &Product, item: &SkuItem) -> String {
    format!("{} – {}", product.title, item.label)
}
