//! The shopper's own orders.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::OrderPath;
use crate::{
    app::App,
    kernel::{
        clock::Timestamp,
        ids::{OrderId, SaleSlug},
        money::Money,
    },
    shop::orders::{Order, OrderStatus},
    web::{
        error::Problem,
        extract::{PathPart, Shopper},
        shown::{LineShape, MoneyShape},
    },
};

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody {
    /// Its id.
    #[schema(value_type = String, example = "ord_018f3c1c7c5e7d2ab1f04c3d5e6f7a8b")]
    id: OrderId,
    /// The slug of its sale.
    #[schema(value_type = String)]
    sale: SaleSlug,
    /// How far it has come.
    #[schema(value_type = StatusShape)]
    status: OrderStatus,
    /// Why it was declined or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// By SKU.
    lines: Vec<LineShape>,
    /// What the lines come to.
    #[schema(value_type = MoneyShape)]
    total: Money,
    /// What was given back of it.
    #[schema(value_type = MoneyShape)]
    refunded_total: Money,
    /// While it is pending: what the shopper has to do for it to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_action: Option<NextAction>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was paid; null when it was not.
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_at: Option<Timestamp>,
}

/// What the shopper has to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextAction {
    /// Where his bank wants to see him; it sends him back to the order's page.
    redirect_url: String,
}

/// How far an order has come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OrderStatus)]
pub enum StatusShape {
    /// The outcome is not known yet.
    Pending,
    /// Charged once, the units are the shopper's.
    Paid,
    /// The charge was refused.
    Declined,
    /// It came to nothing, and nothing was charged.
    Cancelled,
    /// Paid, and wholly given back.
    Refunded,
}

/// The shopper's orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderList {
    /// Newest first, 200 at most.
    orders: Vec<OrderBody>,
}

impl From<Order> for OrderBody {
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            sale: order.sale_slug,
            status: order.status,
            reason: order.reason,
            lines: order.lines.into_iter().map(LineShape::from).collect(),
            total: order.total,
            refunded_total: order.refunded,
            next_action: order.payment_action.map(|redirect_url| NextAction { redirect_url }),
            created_at: order.created_at,
            paid_at: order.paid_at,
        }
    }
}

/// Lists the shopper's orders
#[utoipa::path(
    get,
    path = "/api/v1/orders",
    tag = "orders",
    operation_id = "listOrders",
    responses((status = 200, description = "The shopper's orders", body = OrderList)),
    security(("token" = []), ("cookie" = []))
)]
pub async fn list(app: Data<App>, shopper: Shopper) -> Result<HttpResponse, Problem> {
    let orders = app.orders.of_shopper(shopper.0).await?;
    let orders = orders.into_iter().map(OrderBody::from).collect();
    Ok(HttpResponse::Ok().json(OrderList { orders }))
}

/// Shows an order
///
/// Another shopper's order is not found, as one that does not exist.
#[utoipa::path(
    get,
    path = "/api/v1/orders/{order}",
    tag = "orders",
    operation_id = "getOrder",
    params(OrderPath),
    responses((status = 200, description = "The order", body = OrderBody)),
    security(("token" = []), ("cookie" = []))
)]
pub async fn show(
    app: Data<App>,
    request: HttpRequest,
    shopper: Shopper,
) -> Result<HttpResponse, Problem> {
    let order = app.orders.get(shopper.0, OrderId::of(&request)?).await?;
    Ok(HttpResponse::Ok().json(OrderBody::from(order)))
}
