//! `/sales/{sale}/cart`: what the shopper holds, for how long, and the way to pay.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    files::{SCRIPT, STYLE},
    sale_head::{Moment, SaleHead},
    view::{self, Line, LineForm, Notice, private, redirect},
};
use crate::{
    app::App,
    kernel::ids::{OrderId, SaleSlug},
    shop::inventory::CartState,
    web::{
        error::Problem,
        extract::{Form, PathPart, Visitor},
        shown,
    },
};

#[derive(Template)]
#[template(path = "cart.html", config = "src/web/pages/askama.toml")]
struct CartPage {
    sale: SaleHead,
    lines: Vec<Line>,
    total: String,
    expires_at: Option<Moment>,
    /// It runs out within a minute.
    late: bool,
    ran_out: bool,
    /// The order of a checkout under way.
    order: Option<OrderId>,
    limit: u32,
    notice: Option<Notice>,
}

impl CartPage {
    /// The quantities to choose from; a line that holds more than is allowed now keeps what it has.
    fn quantities(&self, line: &Line) -> std::ops::RangeInclusive<u32> {
        1..=self.limit.max(line.quantity)
    }

    /// Few enough to choose from; of more, the number is typed.
    fn is_choice(&self) -> bool {
        self.limit <= 10
    }
}

/// The page.
pub async fn show(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Problem> {
    private(&page(&app, &request, visitor, None).await?, None)
}

/// The forms on the page, one a line.
pub async fn set_line(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
    form: Form<LineForm>,
) -> Result<HttpResponse, Problem> {
    let sale = app.sales.by_slug(&SaleSlug::of(&request)?).await?;
    let shopper = view::known(visitor, "cart")?;
    match app.cart_lines.set(&sale, shopper, form.0.sku, form.0.quantity).await {
        Ok(_) => Ok(redirect(format!("/sales/{}/cart", sale.slug))),
        Err(error) => {
            let problem = Problem::from(error);
            if !view::tellable(&problem) {
                return Err(problem);
            }
            private(&page(&app, &request, visitor, Some(&problem)).await?, Some(&problem))
        }
    }
}

async fn page(
    app: &App,
    request: &HttpRequest,
    visitor: Visitor,
    problem: Option<&Problem>,
) -> Result<CartPage, Problem> {
    let (sale, catalog) = shown::sale(app, &SaleSlug::of(request)?).await?;
    let mut page = CartPage {
        sale: SaleHead::new(&sale, shown::now(app)),
        lines: Vec::new(),
        total: String::new(),
        expires_at: None,
        late: false,
        ran_out: false,
        order: None,
        limit: sale.limit_per_shopper.get(),
        notice: problem.map(Notice::from),
    };
    // Who was never here holds nothing, and Redis need not be asked.
    let Some(shopper) = visitor.0 else { return Ok(page) };
    let cart = shown::cart(app, &sale, &catalog, shopper).await?;
    let minute = chrono::TimeDelta::minutes(1);
    page.late = cart.expires_at.is_some_and(|at| at - shown::now(app) < minute);
    match cart.state {
        CartState::Open => page.expires_at = cart.expires_at.map(Moment::new),
        CartState::RanOut => page.ran_out = true,
        CartState::Frozen(order) => page.order = Some(order),
    }
    page.total = cart.total.to_string();
    page.lines = cart.lines.into_iter().map(|line| Line::new(line, Some(&catalog))).collect();
    Ok(page)
}
