//! What search engines are told: where not to go, and what there is.

use actix_web::{HttpRequest, HttpResponse, http::header::HeaderValue, web::Data};
use askama::Template;

use crate::{
    app::App,
    shop::sales::Phase,
    web::{
        cache::{PUBLIC, Public, Ready},
        error::Problem,
        shown,
    },
};

use super::view::html;

/// Addresses in one sitemap: the most that its format allows.
const MOST: usize = 50_000;

/// What is a shopper's own, or another page for every word that is typed. A cart is an empty one
/// to whoever has no cookie.
const RULES: &str = "User-agent: *\nDisallow: /api/\nDisallow: /orders/\nDisallow: /search\n";

#[derive(Template)]
#[template(path = "sitemap.xml", config = "src/web/pages/askama.toml")]
struct Sitemap {
    addresses: Vec<String>,
}

/// `/robots.txt`.
pub async fn rules(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let sitemap = app.config.web.absolute("/sitemap.xml");
    let sitemap = sitemap.map(|url| format!("Sitemap: {url}\n")).unwrap_or_default();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    Ready::new(format!("{RULES}{sitemap}"), text, PUBLIC).reply(&request)
}

/// `/sitemap.xml`: running and coming sales with their products. It has whole addresses, so there is
/// none where the shop's own is not configured.
pub async fn sitemap(
    app: Data<App>,
    cache: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let make = || async move {
        let absolute =
            |path: String| app.config.web.absolute(&path).ok_or_else(|| Problem::not_found("file"));
        let mut addresses = vec![absolute("/".to_owned())?];
        for sale in app.sales.listed().await?.iter() {
            if sale.phase(shown::now(&app)) == Phase::Ended {
                continue;
            }
            addresses.push(absolute(format!("/sales/{}", sale.slug))?);
            for product in &shown::catalog(&app, sale).await?.products {
                addresses
                    .push(absolute(format!("/sales/{}/products/{}", sale.slug, product.slug))?);
            }
        }
        addresses.truncate(MOST);
        let xml = HeaderValue::from_static("application/xml");
        Ok(Ready::new(html(&Sitemap { addresses })?, xml, PUBLIC))
    };
    cache.serve(&request, make).await
}
