//! `/orders/{order}`: what became of a checkout.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    files::{SCRIPT, STYLE},
    sale_head::{Moment, SaleHead},
    view::{self, Line, private},
};
use crate::{
    app::App,
    kernel::ids::OrderId,
    shop::orders::OrderStatus,
    web::{
        error::Problem,
        extract::{PathPart, Visitor},
        shown::{self, LineShape},
    },
};

/// How soon a page without a script asks for an outcome again, in seconds.
const ASK_AGAIN: u32 = 2;

#[derive(Template)]
#[template(path = "order.html", config = "src/web/pages/askama.toml")]
struct OrderPage {
    id: OrderId,
    slug: String,
    /// What can be told of its sale; an order is shown without, too.
    sale: Option<SaleHead>,
    status: &'static str,
    reason: Option<&'static str>,
    lines: Vec<Line>,
    total: String,
    /// What was given back, if anything was.
    refunded: Option<String>,
    /// Where the bank wants to see the shopper.
    action: Option<String>,
    created_at: Moment,
    paid_at: Option<Moment>,
    refresh: u32,
}

/// The page. While the outcome is not known it asks again by itself.
pub async fn show(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Problem> {
    let id = OrderId::of(&request)?;
    let order = app.orders.get(view::known(visitor, "order")?, id).await?;
    // An order is shown while its sale cannot be read, only barer.
    let sale = app.sales.by_slug(&order.sale_slug).await.ok();
    let catalog = match &sale {
        Some(sale) => shown::catalog(&app, sale).await.ok(),
        None => None,
    };
    let lines = order.lines.into_iter().map(LineShape::from);
    let page = OrderPage {
        id,
        slug: order.sale_slug.to_string(),
        sale: sale.map(|sale| SaleHead::new(&sale, shown::now(&app))),
        status: order.status.as_str(),
        reason: order.reason.as_deref().and_then(in_words),
        lines: lines.map(|line| Line::new(line, catalog.as_deref())).collect(),
        total: order.total.to_string(),
        refunded: (order.refunded.amount > 0).then(|| order.refunded.to_string()),
        action: order.payment_action,
        created_at: Moment::new(order.created_at),
        paid_at: order.paid_at.map(Moment::new),
        refresh: if order.status == OrderStatus::Pending { ASK_AGAIN } else { 0 },
    };
    private(&page, None)
}

/// Why an order came to nothing. A word that no shopper can make use of is left out.
fn in_words(reason: &str) -> Option<&'static str> {
    match reason {
        "card_declined" | "payment_failed" => Some("The card was refused."),
        "insufficient_funds" => Some("The card was refused: there is not enough on it."),
        "expired_card" => Some("The card has expired."),
        "incorrect_cvc" | "card_details_wrong" => Some("The card's details were not right."),
        "card_not_supported" => Some("This kind of card cannot be used."),
        "authentication_failed" => Some("Your bank did not confirm the payment."),
        "payment_method_invalid" => Some("This way to pay could not be used again."),
        "amount_refused" => Some("The amount cannot be charged."),
        "payment_timeout" => Some("The payment was not confirmed in time."),
        "cancelled_by_merchant" => Some("The shop cancelled it."),
        "hold_expired" => Some("The cart was not paid in time."),
        "cart_changed" => Some("The cart was changed meanwhile."),
        "cart_empty" => Some("The cart was empty."),
        "checkout_in_progress" => Some("Another checkout of the same cart was faster."),
        _ => None,
    }
}
