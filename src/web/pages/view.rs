//! What several pages say in the same way.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use askama::Template;

use super::sale_head::SaleHead;
use crate::{
    app::App,
    kernel::{
        ids::{ShopperId, Sku},
        quantity::Quantity,
    },
    shop::catalog::SaleCatalog,
    web::{
        cache::Ready,
        error::{Code, Problem},
        extract::{Fields, FromFields, Visitor},
        shown::{self, LineShape},
    },
};

/// A line of a cart or of an order.
pub(super) struct Line {
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) quantity: u32,
    /// Of all its units.
    pub(super) price: String,
    /// Of one, where there are several.
    pub(super) each: Option<String>,
    pub(super) image: Option<String>,
}

impl Line {
    /// A line with its product's picture, if the catalogue still has it.
    pub(super) fn new(line: LineShape, catalog: Option<&SaleCatalog>) -> Self {
        let price = line.unit_price.times(line.quantity).unwrap_or(line.unit_price);
        let product = catalog.and_then(|catalog| catalog.find(&line.sku));
        let image = product.and_then(|(product, _)| product.image.as_ref());
        Self {
            sku: line.sku.to_string(),
            title: line.title,
            quantity: line.quantity.get(),
            price: price.to_string(),
            each: (line.quantity.get() > 1).then(|| line.unit_price.to_string()),
            image: image.map(shown::image_path),
        }
    }

    /// Units of several lines.
    pub(super) fn units(lines: &[Self]) -> u32 {
        lines.iter().map(|line| line.quantity).fold(0, u32::saturating_add)
    }
}

/// What went wrong, on the page where it did.
pub(super) struct Notice {
    pub(super) title: &'static str,
    pub(super) detail: String,
}

impl From<&Problem> for Notice {
    fn from(problem: &Problem) -> Self {
        Self { title: problem.code().title(), detail: problem.detail().to_owned() }
    }
}

/// A form that sets a line.
pub struct LineForm {
    pub(super) sku: Sku,
    pub(super) quantity: Quantity,
}

impl FromFields for LineForm {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let expected = "one of the choices";
        let sku = fields.parsed("sku", 40, expected, |text| text.parse().ok());
        let quantity = fields.quantity("quantity");
        Some(Self { sku: sku?, quantity: quantity? })
    }
}

/// HTML of a template. Rendering into memory does not fail, except by a fault of ours.
pub(super) fn html(template: &impl Template) -> Result<String, Problem> {
    template.render().map_err(Problem::internal)
}

/// A page for everyone.
pub(super) fn public(template: &impl Template) -> Result<Ready, Problem> {
    html(template).map(Ready::page)
}

/// A page of a sale for everyone. One that is over is gone for good, and says so to search engines.
pub(super) fn public_of(sale: &SaleHead, template: &impl Template) -> Result<Ready, Problem> {
    let ready = public(template)?;
    Ok(if sale.is("ended") { ready.with_status(StatusCode::GONE) } else { ready })
}

/// A page for one shopper; with the problem's status when it tells of one.
pub(super) fn private(
    template: &impl Template,
    problem: Option<&Problem>,
) -> Result<HttpResponse, Problem> {
    const HTML: &str = "text/html; charset=utf-8";
    let html = html(template)?;
    Ok(match problem {
        Some(problem) => {
            problem.log();
            problem.reply(HTML, html)
        }
        None => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type(HTML)
            .body(html),
    })
}

/// After a form did what it was for.
pub(super) fn redirect(to: String) -> HttpResponse {
    HttpResponse::build(StatusCode::SEE_OTHER).insert_header((header::LOCATION, to)).finish()
}

/// The visitor as a shopper: with the token to be set as a cookie, when there was none.
pub(super) fn shopper(app: &App, visitor: Visitor) -> (ShopperId, Option<String>) {
    if let Some(shopper) = visitor.0 {
        return (shopper, None);
    }
    let (shopper, token) = app.sessions.issue();
    (shopper, Some(token))
}

/// The shopper of a page that only a shopper has. To anybody else there is no such page.
pub(super) fn known(visitor: Visitor, what: &'static str) -> Result<ShopperId, Problem> {
    visitor.0.ok_or_else(|| Problem::not_found(what))
}

/// Whether it is a fault of the moment or of what was asked, not of ours: told on the same page.
pub(super) fn tellable(problem: &Problem) -> bool {
    !matches!(problem.code(), Code::Internal | Code::NotFound | Code::Forbidden)
}
