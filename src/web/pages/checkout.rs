//! `/sales/{sale}/checkout`: who buys, where it goes, how it is paid.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Data,
};
use askama::Template;

use super::{
    files::{CARD_SCRIPT, SCRIPT, STYLE},
    sale_head::{Moment, SaleHead},
    view::{self, Line, Notice, private, redirect},
};
use crate::{
    app::App,
    flows::checkout::{Placed, Purchase},
    kernel::{ids::SaleSlug, money::Money},
    platform::secret::ServiceUrl,
    shop::{inventory::CartState, orders::IdempotencyKey, payments::stripe::Stripe},
    web::{
        countries,
        error::{Code, Problem},
        extract::{Filled, PathPart, Visitor},
        purchase::Wish,
        shown,
    },
};

/// The hidden field that makes a form, sent twice, one purchase.
const KEY: &str = "idempotency_key";

#[derive(Template)]
#[template(path = "checkout.html", config = "src/web/pages/askama.toml")]
struct CheckoutPage<'a> {
    sale: SaleHead,
    lines: Vec<Line>,
    total: String,
    version: &'a str,
    key: &'a str,
    expires_at: Option<Moment>,
    /// It runs out within a minute.
    late: bool,
    countries: &'static [(&'static str, &'static str)],
    filled: &'a Filled,
    problem: Option<&'a Problem>,
    notice: Option<Notice>,
    /// A card's details are taken by the provider's own script.
    card: Option<Card<'a>>,
}

/// What the provider's script must know.
struct Card<'a> {
    script: &'a str,
    publishable_key: &'a str,
    amount: i64,
    currency: String,
}

/// The fields, as the page calls them.
const FIELDS: [(&str, &str); 7] = [
    ("email", "E-mail"),
    ("shipping.name", "Name"),
    ("shipping.line1", "Street and number"),
    ("shipping.postal_code", "Postal code"),
    ("shipping.city", "City"),
    ("shipping.country", "Country"),
    ("payment.method", "Payment"),
];

impl CheckoutPage<'_> {
    fn label(name: &str) -> &'static str {
        FIELDS.iter().find(|(field, _)| *field == name).map_or("", |(_, label)| label)
    }

    /// The fields at fault with what is expected of them, in the order of the page.
    fn faults(&self) -> Vec<(&'static str, String)> {
        let told = |(name, label): &(&'static str, &str)| {
            Some((*name, format!("{label} {}.", self.fault(name)?)))
        };
        FIELDS.iter().filter_map(told).collect()
    }

    fn value(&self, name: &str) -> &str {
        self.filled.get(name)
    }

    fn fault(&self, name: &str) -> Option<&str> {
        let faults = self.problem.map_or(&[][..], Problem::faults);
        // Where no way to pay was chosen, all of `payment` is missing.
        let at_fault = |field: &str| {
            field == name || name.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'))
        };
        faults.iter().find(|fault| at_fault(&fault.field)).map(|fault| &*fault.detail)
    }
}

/// The page.
pub async fn show(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Problem> {
    page(&app, &request, visitor, (&Filled::empty(), None)).await
}

/// The form on the page.
pub async fn buy(
    app: Data<App>,
    request: HttpRequest,
    visitor: Visitor,
    filled: Filled,
) -> Result<HttpResponse, Problem> {
    match purchase(&app, &request, visitor, &filled).await {
        Ok(reply) => Ok(reply),
        Err(problem) if view::tellable(&problem) => {
            page(&app, &request, visitor, (&filled, Some(&problem))).await
        }
        Err(problem) => Err(problem),
    }
}

async fn purchase(
    app: &App,
    request: &HttpRequest,
    visitor: Visitor,
    filled: &Filled,
) -> Result<HttpResponse, Problem> {
    let sale = app.sales.by_slug(&SaleSlug::of(request)?).await?;
    let shopper = view::known(visitor, "cart")?;
    let key: IdempotencyKey = filled
        .get(KEY)
        .parse()
        .map_err(|_| Problem::new(Code::Malformed, "The form is not complete."))?;
    let Wish { email, shipping, method, cart_version } = filled.read(KEY)?;
    let purchase = Purchase { sale: &sale, shopper, key, email, shipping, method, cart_version };
    match app.checkout.place(purchase).await? {
        Placed::Paid(order) | Placed::Pending(order) => {
            Ok(redirect(format!("/orders/{}", order.id)))
        }
        Placed::Declined(order) => Err(Problem::declined(order.id)),
    }
}

/// The form over the cart as it is now. Without one there is nothing to fill in: back to the cart,
/// which says why; and a cart that is just being bought has an order to look at.
async fn page(
    app: &App,
    request: &HttpRequest,
    visitor: Visitor,
    (filled, problem): (&Filled, Option<&Problem>),
) -> Result<HttpResponse, Problem> {
    let (sale, catalog) = shown::sale(app, &SaleSlug::of(request)?).await?;
    let back = || redirect(format!("/sales/{}/cart", sale.slug));
    let Some(shopper) = visitor.0 else { return Ok(back()) };
    let cart = shown::cart(app, &sale, &catalog, shopper).await?;
    match cart.state {
        CartState::Frozen(order) => return Ok(redirect(format!("/orders/{order}"))),
        CartState::Open if !cart.lines.is_empty() => {}
        CartState::Open | CartState::RanOut => return Ok(back()),
    }
    // A key is bound to its order: whoever was refused and tries again makes a new one.
    let used = problem.is_some_and(|problem| {
        matches!(problem.code(), Code::PaymentDeclined | Code::Invalid | Code::Malformed)
    });
    let charged = cart.total;
    let now = shown::now(app);
    let fresh = app.ids.unique().simple().to_string();
    let kept = filled.get(KEY);
    let page = CheckoutPage {
        sale: SaleHead::new(&sale, now),
        total: cart.total.to_string(),
        version: &cart.version,
        key: if used || kept.is_empty() { &fresh } else { kept },
        expires_at: cart.expires_at.map(Moment::new),
        late: cart.expires_at.is_some_and(|at| at - now < chrono::TimeDelta::minutes(1)),
        countries: &countries::ALL,
        lines: cart.lines.into_iter().map(|line| Line::new(line, Some(&catalog))).collect(),
        filled,
        problem,
        notice: problem.map(Notice::from),
        card: card(app, charged),
    };
    let mut reply = private(&page, problem)?;
    if page.card.is_some() {
        let policy = policy_with(&app.config.stripe.script_url)?;
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(reply)
}

/// With Stripe, what its script needs; a cart of nothing needs no card.
fn card(app: &App, total: Money) -> Option<Card<'_>> {
    let stripe = &app.config.stripe;
    let is_stripe = app.payments.current().name() == Stripe::NAME;
    let amount = Stripe::amount(total).filter(|_| is_stripe && total.amount > 0)?;
    Some(Card {
        script: stripe.script_url.expose(),
        publishable_key: &stripe.publishable_key,
        amount,
        currency: total.currency.to_string().to_lowercase(),
    })
}

/// The policy of a page that takes a card: the provider's script, its frames and its calls are let
/// in besides, on this page alone.
fn policy_with(script: &ServiceUrl) -> Result<HeaderValue, Problem> {
    let origin = script.origin();
    let policy = format!(
        "default-src 'none'; script-src 'self' {origin}; style-src 'self'; img-src 'self' data: {origin} \
         https://*.stripe.com; connect-src 'self' {origin} https://api.stripe.com \
         https://*.stripe.com; frame-src {origin} https://*.js.stripe.com https://hooks.stripe.com; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).map_err(Problem::internal)
}
