//! `POST /sales/{sale}/checkout`: buys the whole cart.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{SalePath, orders::OrderBody};
use crate::{
    app::App,
    flows::checkout::{Placed, Purchase},
    kernel::ids::SaleSlug,
    web::{
        error::Problem,
        extract::{Json, Key, PathPart, Shopper},
        purchase::{Wish, WishShape},
    },
};

/// Buys the cart
///
/// The same `Idempotency-Key` repeats the same answer, with the order's present state; with
/// another body it is refused. Refusals before an order was made are not remembered.
#[utoipa::path(
    post,
    path = "/api/v1/sales/{sale}/checkout",
    tag = "checkout",
    operation_id = "checkout",
    params(
        SalePath,
        (
            "Idempotency-Key" = String, Header,
            description = "The shopper's own name for this wish, 1 to 255 visible ASCII characters",
            min_length = 1, max_length = 255, pattern = "^[!-~]+$"
        )
    ),
    request_body = WishShape,
    responses(
        (status = 201, description = "The order, paid", body = OrderBody),
        (status = 202, description = "The order, whose outcome is not known yet: ask again; \
            with `next_action` when the shopper's bank wants to see him first",
            body = OrderBody)
    ),
    security(("token" = []), ("cookie" = []))
)]
pub async fn buy(
    app: Data<App>,
    request: HttpRequest,
    shopper: Shopper,
    key: Key,
    wish: Json<Wish>,
) -> Result<HttpResponse, Problem> {
    let sale = app.sales.by_slug(&SaleSlug::of(&request)?).await?;
    let Wish { email, shipping, method, cart_version } = wish.0;
    let (shopper, key) = (shopper.0, key.0);
    let purchase = Purchase { sale: &sale, shopper, key, email, shipping, method, cart_version };
    match app.checkout.place(purchase).await? {
        Placed::Paid(order) => Ok(HttpResponse::Created().json(OrderBody::from(order))),
        Placed::Pending(order) => Ok(HttpResponse::Accepted().json(OrderBody::from(order))),
        Placed::Declined(order) => Err(Problem::declined(order.id)),
    }
}
