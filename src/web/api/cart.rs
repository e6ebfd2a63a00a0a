//! The cart: its lines are set to what they should be, so every call may be repeated.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::{LinePath, SalePath};
use crate::{
    app::App,
    kernel::{
        clock::Timestamp,
        ids::{SaleSlug, Sku},
        money::Money,
        quantity::Quantity,
    },
    shop::inventory::CartState,
    web::{
        error::{Code, Problem},
        extract::{Fields, FromFields, Json, PathPart, Shopper},
        shown::{self, Cart, LineShape, MoneyShape},
    },
};

/// What a line should hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedLine {
    /// Units; 0 releases the line.
    #[schema(value_type = u32, minimum = 0, maximum = 100_000_000, example = 1)]
    quantity: Quantity,
}

impl FromFields for WantedLine {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { quantity: fields.quantity("quantity")? })
    }
}

/// A line as it stands now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CartLine)]
pub struct LineBody {
    /// What is set aside.
    #[schema(value_type = String)]
    sku: Sku,
    /// Units.
    #[schema(value_type = u32)]
    quantity: Quantity,
    /// When the whole cart runs out; null when it holds nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// What the shopper holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cart)]
pub struct CartBody {
    /// By SKU.
    lines: Vec<LineShape>,
    /// When it runs out; null when it holds nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What the lines come to.
    #[schema(value_type = MoneyShape)]
    total: Money,
    /// Changes with every line and price; a checkout can insist on it.
    version: String,
}

/// Sets a line
///
/// Units are set aside before the answer, and only for a while: `expires_at` is the end of the
/// whole cart, and repeating does not move it. After the sale's end and while it is paused, what
/// asks for no more than is held still works.
#[utoipa::path(
    put,
    path = "/api/v1/sales/{sale}/cart/lines/{sku}",
    tag = "cart",
    operation_id = "setLine",
    params(LinePath),
    request_body = WantedLine,
    responses(
        (status = 200, description = "The line stood or was changed", body = LineBody),
        (status = 201, description = "The line held nothing before", body = LineBody)
    ),
    security(("token" = []), ("cookie" = []))
)]
pub async fn set_line(
    app: Data<App>,
    request: HttpRequest,
    shopper: Shopper,
    wanted: Json<WantedLine>,
) -> Result<HttpResponse, Problem> {
    let (slug, sku) = (SaleSlug::of(&request)?, Sku::of(&request)?);
    let sale = app.sales.by_slug(&slug).await?;
    let line = app.cart_lines.set(&sale, shopper.0, sku.clone(), wanted.0.quantity).await?;
    let body = LineBody { sku, quantity: line.quantity, expires_at: line.expires_at };
    Ok(if line.created { HttpResponse::Created() } else { HttpResponse::Ok() }.json(body))
}

/// Releases a line
///
/// The same as setting it to 0, and no error when there was none.
#[utoipa::path(
    delete,
    path = "/api/v1/sales/{sale}/cart/lines/{sku}",
    tag = "cart",
    operation_id = "releaseLine",
    params(LinePath),
    responses((status = 204, description = "The line holds nothing")),
    security(("token" = []), ("cookie" = []))
)]
pub async fn release(
    app: Data<App>,
    request: HttpRequest,
    shopper: Shopper,
) -> Result<HttpResponse, Problem> {
    let (slug, sku) = (SaleSlug::of(&request)?, Sku::of(&request)?);
    let sale = app.sales.by_slug(&slug).await?;
    match app.cart_lines.set(&sale, shopper.0, sku, Quantity::ZERO).await.map_err(Problem::from) {
        // Before the start nothing is held, which is what was asked for.
        Err(problem) if problem.code() != Code::SaleNotStarted => Err(problem),
        _ => Ok(HttpResponse::NoContent().finish()),
    }
}

/// Shows the cart
///
/// A cart that ran out answers `hold_expired` until something is put into it again.
#[utoipa::path(
    get,
    path = "/api/v1/sales/{sale}/cart",
    tag = "cart",
    operation_id = "getCart",
    params(SalePath),
    responses((status = 200, description = "What the shopper holds", body = CartBody)),
    security(("token" = []), ("cookie" = []))
)]
pub async fn show(
    app: Data<App>,
    request: HttpRequest,
    shopper: Shopper,
) -> Result<HttpResponse, Problem> {
    let (sale, catalog) = shown::sale(&app, &SaleSlug::of(&request)?).await?;
    let cart = shown::cart(&app, &sale, &catalog, shopper.0).await?;
    if cart.state == CartState::RanOut {
        return Err(Problem::new(Code::HoldExpired, "The cart was not paid in time."));
    }
    let Cart { lines, expires_at, total, version, .. } = cart;
    Ok(HttpResponse::Ok().json(CartBody { lines, expires_at, total, version }))
}
