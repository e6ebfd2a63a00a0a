//! `/search`: products of running and coming sales by what people type.

use std::{collections::HashMap, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    card::Card,
    files::{SCRIPT, STYLE},
    view::public,
};
use crate::{
    app::App,
    kernel::ids::SaleId,
    shop::{
        catalog::{Found, InvalidWords, Words},
        sales::{Phase, Sale},
    },
    web::{cache::Public, error::Problem, shown},
};

#[derive(Template)]
#[template(path = "search.html", config = "src/web/pages/askama.toml")]
struct SearchPage {
    /// As it was understood; empty when nothing was asked for.
    words: String,
    /// Why nothing was looked for.
    fault: Option<String>,
    products: Vec<Card>,
}

/// The page.
pub async fn show(
    app: Data<App>,
    cache: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = asked(&request);
    // by what was understood: so many spellings are one page
    let key = match &asked {
        Ok(words) => format!("/search?q={}", words.as_str()),
        Err(fault) => format!("/search?{fault}"),
    };
    let make = || async move {
        public(&match asked {
            Ok(words) => found(&app, &words).await?,
            Err(InvalidWords::Empty) => SearchPage::without_words(None),
            Err(fault) => SearchPage::without_words(Some(format!("Search for {fault}."))),
        })
    };
    cache.serve_as(&key, &request, make).await
}

impl SearchPage {
    fn without_words(fault: Option<String>) -> Self {
        Self { words: String::new(), fault, products: Vec::new() }
    }
}

/// The first `q` of the query; a form has one.
fn asked(request: &HttpRequest) -> Result<Words, InvalidWords> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let text = pairs.find_map(|(name, value)| (name == "q").then_some(value));
    text.unwrap_or_default().parse()
}

async fn found(app: &App, words: &Words) -> Result<SearchPage, Problem> {
    let now = shown::now(app);
    let listed = app.sales.listed().await?;
    let sales: HashMap<SaleId, &Arc<Sale>> = listed
        .iter()
        .filter(|sale| sale.phase(now) != Phase::Ended)
        .map(|sale| (sale.id, sale))
        .collect();
    let ids: Vec<_> = sales.keys().copied().collect();
    let found = app.catalog.search(&ids, words).await?;
    let mut known = HashMap::new();
    let mut products = Vec::new();
    for Found { sale: id, product } in found.iter() {
        // what was found some seconds ago may be over by now, or out of the catalogue
        let Some(sale) = sales.get(id) else { continue };
        if !known.contains_key(id) {
            let catalog = shown::catalog(app, sale).await?;
            let stock = shown::stock(app, sale, &catalog).await?;
            known.insert(*id, (catalog, stock));
        }
        let Some((catalog, stock)) = known.get(id) else { continue };
        if let Some(product) = catalog.product(product) {
            products.push(Card::new(sale, product, stock, now));
        }
    }
    Ok(SearchPage { words: words.as_str().to_owned(), fault: None, products })
}
