//! What several pages say in the same way.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
    http::{StatusCode, header},
};
use askama::Template;

use crate::{
    app::App,
    kernel::{
        clock::Timestamp,
        ids::{ShopperId, Sku},
        quantity::Quantity,
    },
    shop::{
        inventory::Units,
        sales::{Phase, Sale},
    },
    web::{
        cache::Ready,
        error::{Code, Problem},
        extract::{Fields, FromFields, Visitor, session_cookie},
        shown::LineShape,
    },
};

/// From how few units on a page says how many there are.
const FEW: i64 = 10;
/// How long a browser keeps a shopper's token: beyond the month for which keys are remembered.
const SESSION_DAYS: i64 = 60;

/// The head of every page of a sale.
pub(super) struct SaleHead {
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) phase: Phase,
    pub(super) starts_at: Moment,
    pub(super) ends_at: Moment,
    /// Seconds after which a page without a script looks again; 0 for never.
    pub(super) refresh: i64,
}

impl SaleHead {
    pub(super) fn new(sale: &Sale, now: Timestamp) -> Self {
        let phase = sale.phase(now);
        let refresh = match phase {
            Phase::Before => (sale.starts_at - now).num_seconds().saturating_add(1).clamp(1, 30),
            Phase::Paused => 10,
            Phase::Open | Phase::Ended => 0,
        };
        Self {
            slug: sale.slug.to_string(),
            title: sale.title.clone(),
            phase,
            starts_at: Moment::new(sale.starts_at),
            ends_at: Moment::new(sale.ends_at),
            refresh,
        }
    }

    pub(super) fn is(&self, phase: &str) -> bool {
        phase
            == match self.phase {
                Phase::Before => "before",
                Phase::Open => "open",
                Phase::Paused => "paused",
                Phase::Ended => "ended",
            }
    }
}

/// An instant for people and for machines.
pub(super) struct Moment {
    pub(super) machine: String,
    pub(super) people: String,
}

impl Moment {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            machine: at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            people: at.format("%-d %B %Y, %H:%M:%S UTC").to_string(),
        }
    }
}

/// What a page says about a SKU's stock. The script says it in the same words.
pub(super) fn availability(units: Units) -> String {
    match units.available {
        ..=0 if units.held > 0 => "all in carts".to_owned(),
        ..=0 => "sold out".to_owned(),
        few @ 1..=FEW => format!("{few} left"),
        _ => "in stock".to_owned(),
    }
}

/// A line of a cart or of an order.
pub(super) struct Line {
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) quantity: u32,
    pub(super) price: String,
}

impl From<LineShape> for Line {
    fn from(line: LineShape) -> Self {
        let price = line.unit_price.times(line.quantity).unwrap_or(line.unit_price);
        Self {
            sku: line.sku.to_string(),
            title: line.title,
            quantity: line.quantity.get(),
            price: price.to_string(),
        }
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

/// The reply, with the token of a shopper who is new.
pub(super) fn remember(
    app: &App,
    request: &HttpRequest,
    token: Option<String>,
    mut reply: HttpResponse,
) -> Result<HttpResponse, Problem> {
    if let Some(token) = token {
        let secure = app.config.web.is_secure() || request.connection_info().scheme() == "https";
        let cookie = Cookie::build(session_cookie(secure), token)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(CookieDuration::days(SESSION_DAYS))
            .secure(secure)
            .finish();
        reply.add_cookie(&cookie).map_err(|error| Problem::internal(anyhow::anyhow!("{error}")))?;
    }
    Ok(reply)
}

/// The shopper of a page that only a shopper has. To anybody else there is no such page.
pub(super) fn known(visitor: Visitor, what: &'static str) -> Result<ShopperId, Problem> {
    visitor.0.ok_or_else(|| Problem::not_found(what))
}

/// Whether it is a fault of the moment or of what was asked, not of ours: told on the same page.
pub(super) fn tellable(problem: &Problem) -> bool {
    !matches!(problem.code(), Code::Internal | Code::NotFound | Code::Forbidden)
}
