//! `GET /sales/{sale}/stock`: what is left. Never asks Redis: it reads what the feed last heard.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::SalePath;
use crate::{
    app::App,
    kernel::ids::{SaleSlug, Sku},
    shop::inventory::Units,
    web::{cache::Public, error::Problem, extract::PathPart, shown},
};

/// Where the units of a SKU are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counts {
    /// On the shelf.
    #[schema(minimum = 0)]
    available: i64,
    /// In carts, and on their way back.
    #[schema(minimum = 0)]
    held: i64,
    /// Bought.
    #[schema(minimum = 0)]
    sold: i64,
}

/// Shows what is left
///
/// Counts by SKU, the same for everyone, cacheable for a second.
#[utoipa::path(
    get,
    path = "/api/v1/sales/{sale}/stock",
    tag = "sales",
    operation_id = "getStock",
    params(SalePath),
    responses((status = 200, description = "Counts by SKU", body = BTreeMap<String, Counts>))
)]
pub async fn show(
    app: Data<App>,
    public: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let slug = SaleSlug::of(&request)?;
    let make = || async move {
        let (sale, catalog) = shown::sale(&app, &slug).await?;
        let stock = shown::stock(&app, &sale, &catalog).await?;
        let counts: BTreeMap<&Sku, Counts> =
            stock.iter().map(|(sku, units)| (sku, Counts::from(units))).collect();
        shown::json(&counts)
    };
    public.serve(&request, make).await
}

impl From<&Units> for Counts {
    fn from(units: &Units) -> Self {
        Self { available: units.available, held: units.held, sold: units.sold }
    }
}
