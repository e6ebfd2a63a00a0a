//! Files: the style and the script, out of the binary, and the products' pictures.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Data,
};

use super::accent;
use crate::{
    app::App,
    web::{
        cache::{IMMUTABLE, PUBLIC, Ready, hash},
        error::Problem,
    },
};

/// An SVG is a document: shown by itself it runs nothing, loads nothing and is of no site.
const PICTURE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// A file of ours, whose name holds its hash.
pub(super) struct Asset {
    name: String,
    ready: Ready,
}

impl Asset {
    fn new(name: &str, ending: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = hash(text.as_bytes());
        let name = format!("{name}-{}.{ending}", hash.get(..16).unwrap_or(&hash));
        let content_type = HeaderValue::from_static(content_type);
        Self { name, ready: Ready::new(text, content_type, IMMUTABLE).packed() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// The one stylesheet.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("shop", "css", "text/css; charset=utf-8", include_str!("assets/shop.css"))
});

/// The one script.
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("shop", "js", "text/javascript; charset=utf-8", include_str!("assets/shop.js"))
});

/// What takes a card's details, on the page of a checkout alone.
pub(super) static CARD_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("card", "js", "text/javascript; charset=utf-8", include_str!("assets/card.js"))
});

static ICON: LazyLock<Ready> = LazyLock::new(|| {
    let content_type = HeaderValue::from_static("image/svg+xml");
    Ready::new(include_str!("assets/icon.svg"), content_type, PUBLIC).packed()
});

/// A file of ours, or the stylesheet of a sale's colour.
pub async fn asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("name").unwrap_or_default();
    if let Some(style) = accent::stylesheet(name) {
        return Ok(style.reply(&request));
    }
    let asset = [&STYLE, &SCRIPT, &CARD_SCRIPT].into_iter().find(|asset| asset.name == name);
    Ok(asset.ok_or_else(|| Problem::not_found("file"))?.ready.reply(&request))
}

/// The shop's sign.
pub async fn icon(request: HttpRequest) -> HttpResponse {
    ICON.reply(&request)
}

/// A product's picture.
pub async fn image(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("hash").unwrap_or_default();
    let hash = name.parse().map_err(|_| Problem::not_found("picture"))?;
    let image = app.catalog.image(&hash).await?;
    let image = image.ok_or_else(|| Problem::not_found("picture"))?;
    let content_type = HeaderValue::from_static(image.content_type.as_str());
    let tag = format!("\"{name}\"");
    let tag = HeaderValue::try_from(tag).map_err(Problem::internal)?;
    let mut reply = Ready::named(image.bytes, content_type, tag, IMMUTABLE).reply(&request);
    reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PICTURE_POLICY);
    Ok(reply)
}
