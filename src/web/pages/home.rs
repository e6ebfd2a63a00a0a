//! `/`: the sales.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    card,
    files::{SCRIPT, STYLE},
    sale_head::SaleHead,
    share::Share,
    view::public,
};
use crate::{
    app::App,
    kernel::clock::Timestamp,
    shop::sales::{Phase, Sale},
    web::{cache::Public, error::Problem, shown},
};

/// Pictures of a sale's first products.
const PICTURES: usize = 3;
/// Sales that are over, the latest of them.
const ENDED: usize = 12;

#[derive(Template)]
#[template(path = "home.html", config = "src/web/pages/askama.toml")]
struct Home {
    running: Vec<Announced>,
    coming: Vec<Announced>,
    ended: Vec<SaleHead>,
    share: Share,
}

/// A sale as it is announced.
struct Announced {
    sale: SaleHead,
    pictures: Vec<String>,
    /// How many products, and from what price on.
    summary: String,
}

/// The page.
pub async fn show(
    app: Data<App>,
    cache: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    cache.serve(&request, || async move { public(&home(&app).await?) }).await
}

async fn home(app: &App) -> Result<Home, Problem> {
    let now = shown::now(app);
    let listed = app.sales.listed().await?;
    let about = "Limited runs at a fixed time: what is in your cart is kept for you while you pay.";
    let mut home = Home {
        running: Vec::new(),
        coming: Vec::new(),
        ended: Vec::new(),
        share: Share::new(app, "/", "Sales", about),
    };
    for sale in listed.iter() {
        match sale.phase(now) {
            Phase::Open | Phase::Paused => home.running.push(announced(app, sale, now).await?),
            Phase::Before => home.coming.push(announced(app, sale, now).await?),
            Phase::Ended => home.ended.push(SaleHead::new(sale, now)),
        }
    }
    home.ended.reverse();
    home.ended.truncate(ENDED);
    Ok(home)
}

async fn announced(app: &App, sale: &Sale, now: Timestamp) -> Result<Announced, Problem> {
    let catalog = shown::catalog(app, sale).await?;
    let products = &catalog.products;
    let pictures = products.iter().filter_map(|product| product.image.as_ref());
    let cheapest = products.iter().min_by_key(|product| {
        product.skus.iter().map(|item| item.price.amount).min().unwrap_or(i64::MAX)
    });
    let price = cheapest.map(card::price).unwrap_or_default();
    let summary = match products.len() {
        0 => String::new(),
        1 => format!("One product, {price}"),
        n => format!("{n} products, from {}", price.trim_start_matches("from ")),
    };
    Ok(Announced {
        sale: SaleHead::new(sale, now),
        pictures: pictures.take(PICTURES).map(shown::image_path).collect(),
        summary,
    })
}
