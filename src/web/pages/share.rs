//! What a page says of itself to search engines and to whoever shares it.
//!
//! Its own address comes from the settings alone: what a request calls the shop may be a lie, and
//! pages are kept for others.

use serde_json::{Value, json};

use super::words::{FEW, beginning};
use crate::{
    app::App,
    shop::{
        catalog::Product,
        inventory::Units,
        sales::{Phase, Sale},
    },
    web::shown,
};

/// Characters of a description that search engines show.
const DESCRIPTION: usize = 160;

/// What the macro `share` of `parts.html` writes into a page's head.
pub(super) struct Share {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) kind: &'static str,
    pub(super) url: Option<String>,
    pub(super) image: Option<String>,
    /// JSON that may stand inside a `script` element; empty for none.
    pub(super) data: String,
}

impl Share {
    pub(super) fn new(app: &App, path: &str, title: &str, description: &str) -> Self {
        Self {
            title: title.to_owned(),
            description: beginning(description, DESCRIPTION),
            kind: "website",
            url: app.config.web.absolute(path),
            image: None,
            data: String::new(),
        }
    }

    /// With a picture, if there is one and its whole address is known.
    pub(super) fn picture(mut self, app: &App, product: Option<&Product>) -> Self {
        let image = product.and_then(|product| product.image.as_ref()).map(shown::image_path);
        self.image = image.and_then(|path| app.config.web.absolute(&path));
        self
    }

    /// Of a product: what it costs and whether it is to be had.
    pub(super) fn offer(
        mut self,
        sale: &Sale,
        phase: Phase,
        product: &Product,
        all: Units,
    ) -> Self {
        self.kind = "product";
        let mut thing = json!({
            "@context": "https://schema.org",
            "@type": "Product",
            "name": product.title,
            "offers": self.offers(sale, phase, product, all),
        });
        if let Some(thing) = thing.as_object_mut() {
            let description = (!self.description.is_empty()).then_some(&self.description);
            let more = [("description", description), ("image", self.image.as_ref())];
            let more = more.into_iter().filter_map(|(name, text)| Some((name, text?)));
            thing.extend(more.map(|(name, text)| (name.to_owned(), json!(text))));
        }
        self.data = inside_script(&thing);
        self
    }

    fn offers(&self, sale: &Sale, phase: Phase, product: &Product, all: Units) -> Value {
        let prices = || product.skus.iter().map(|item| item.price);
        let ends = [prices().min_by_key(|p| p.amount), prices().max_by_key(|p| p.amount)];
        let [low, high] = ends.map(|price| price.map(crate::kernel::money::Money::decimal));
        let mut offers = json!({
            "@type": if low == high { "Offer" } else { "AggregateOffer" },
            "priceCurrency": sale.currency.to_string(),
            "availability": format!("https://schema.org/{}", availability(phase, all)),
            "availabilityStarts": sale.starts_at,
            "availabilityEnds": sale.ends_at,
        });
        if let Some(offers) = offers.as_object_mut() {
            if low == high {
                offers.insert("price".to_owned(), json!(low));
            } else {
                offers.insert("lowPrice".to_owned(), json!(low));
                offers.insert("highPrice".to_owned(), json!(high));
                offers.insert("offerCount".to_owned(), json!(product.skus.len()));
            }
            if let Some(url) = &self.url {
                offers.insert("url".to_owned(), json!(url));
            }
        }
        offers
    }
}

/// In the words of schema.org.
fn availability(phase: Phase, all: Units) -> &'static str {
    match phase {
        Phase::Before => "PreOrder",
        Phase::Ended => "Discontinued",
        Phase::Paused => "OutOfStock",
        Phase::Open => match (all.available, all.held) {
            (..=0, 1..) => "OutOfStock",
            (..=0, _) => "SoldOut",
            (1..=FEW, _) => "LimitedAvailability",
            _ => "InStock",
        },
    }
}

/// JSON in which nothing ends the element that it stands in.
fn inside_script(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_title_ends_the_script_it_stands_in() {
        let title = "</script><script>alert(1)</script><!-- & \u{2028}";
        let text = inside_script(&json!({ "name": title }));
        assert!(!text.contains(['<', '>', '&', '\u{2028}']), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["name"], title);
    }

    #[test]
    fn availability_follows_phase_and_stock() {
        let units = |available, held| Units { available, held, ..Units::default() };
        assert_eq!(availability(Phase::Before, units(50, 0)), "PreOrder");
        assert_eq!(availability(Phase::Ended, units(50, 0)), "Discontinued");
        let open = [(50, 0), (3, 9), (0, 9), (0, 0)].map(|(a, h)| units(a, h));
        let open = open.map(|units| availability(Phase::Open, units));
        assert_eq!(open, ["InStock", "LimitedAvailability", "OutOfStock", "SoldOut"]);
    }
}
