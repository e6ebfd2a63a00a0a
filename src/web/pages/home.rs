//! `/`: the sales.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::{
    files::{SCRIPT, STYLE},
    view::{SaleHead, public},
};
use crate::{
    app::App,
    web::{cache::Public, error::Problem, shown},
};

#[derive(Template)]
#[template(path = "home.html", config = "src/web/pages/askama.toml")]
struct Home {
    sales: Vec<SaleHead>,
}

/// The page.
pub async fn show(
    app: Data<App>,
    cache: Data<Public>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let make = || async move {
        let now = shown::now(&app);
        let listed = app.sales.listed().await?;
        let sales = listed.iter().map(|sale| SaleHead::new(sale, now)).collect();
        public(&Home { sales })
    };
    cache.serve(&request, make).await
}
