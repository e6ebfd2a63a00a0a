//! What a file asks for, held against what is stored. Pure: whether to write and what to ask Redis
//! first is decided here, and nothing is done.

use std::{collections::HashMap, fmt::Display};

use super::file::{FileError, FileErrors, SaleFile};
use crate::{
    kernel::{clock::Timestamp, ids::Sku, quantity::Quantity, version::Epoch},
    shop::{
        catalog::{ImageRef, Product, SkuItem},
        sales::{NewSale, Sale},
    },
};

/// A sale as one moment of Postgres has it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) sale: Sale,
    pub(super) products: Vec<Product>,
    /// 0: its stock was never opened.
    pub(super) epoch: Epoch,
}

/// What to write.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sale: NewSale,
    pub(super) products: Vec<Product>,
    /// Totals that fall, those of removed SKUs to zero: Redis has to agree first.
    pub(super) lowered: Vec<(Sku, Quantity)>,
    /// For people to read; empty when the file says what is stored.
    pub(super) changes: Vec<Change>,
}

/// One thing that an import changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `sale`, `product SLUG` or `SKU`.
    pub what: String,
    /// Which of its fields; empty when it came or went as a whole.
    pub field: &'static str,
    /// As it was; empty when it was not there.
    pub before: String,
    /// As it is; empty when it is gone.
    pub after: String,
}

/// The plan for a sale that is stored, or is to be made with its offsets counted from `now`.
pub(super) fn plan(
    file: &SaleFile,
    stored: Option<&Stored>,
    now: Timestamp,
) -> Result<Plan, FileErrors> {
    let first_import = stored.map_or(now, |stored| stored.sale.first_imported_at);
    let (starts_at, ends_at) = file.schedule(first_import)?;
    let sale = NewSale {
        slug: file.slug.clone(),
        title: file.title.clone(),
        accent: file.accent,
        currency: file.currency.value,
        starts_at,
        ends_at,
        hold: file.hold.value,
        limit_per_shopper: file.limit_per_shopper,
    };
    let products = products(file);
    if let Some(stored) = stored
        && stored.sale.is_fixed(now)
    {
        FileErrors::check(breaches(file, stored))?;
    }
    let before = stored.map(|stored| stored.sale.terms());
    let known = stored.map_or(&[][..], |stored| &stored.products);
    let mut changes = Changes::default();
    changes.sale(before.as_ref(), &sale);
    changes.products(known, &products);
    let lowered = lowered(known, &products)?;
    Ok(Plan { sale, products, lowered, changes: changes.0 })
}

fn products(file: &SaleFile) -> Vec<Product> {
    let product = |product: &super::file::FileProduct| Product {
        slug: product.slug.clone(),
        title: product.title.clone(),
        description: product.description.clone(),
        image: product
            .image
            .as_ref()
            .map(|image| ImageRef { hash: image.hash.clone(), content_type: image.content_type }),
        limit: product.limit_per_shopper,
        skus: product
            .skus
            .iter()
            .map(|item| SkuItem {
                sku: item.sku.clone(),
                label: item.label.clone(),
                price: item.price.value,
                total: item.stock.value.into(),
            })
            .collect(),
    };
    file.products.iter().map(product).collect()
}

/// What may not change once the sale was open: shoppers hold units at these prices, for this time.
fn breaches(file: &SaleFile, stored: &Stored) -> Vec<FileError> {
    let fixed = |line, field, what: &dyn Display| {
        FileError::new(line, field, format!("the sale is open: it stays {what}"))
    };
    let sale = &stored.sale;
    let mut found = Vec::new();
    if file.hold.value != sale.hold {
        let hold = humantime::format_duration(sale.hold);
        found.push(fixed(file.hold.line, "sale.hold", &hold));
    }
    if file.currency.value != sale.currency {
        found.push(fixed(file.currency.line, "sale.currency", &sale.currency));
        return found;
    }
    let prices: HashMap<_, _> =
        skus(&stored.products).map(|item| (&item.sku, item.price)).collect();
    for item in file.products.iter().flat_map(|product| &product.skus) {
        if let Some(price) = prices.get(&item.sku)
            && *price != item.price.value
        {
            found.push(fixed(item.price.line, "product.sku.price", &price.decimal()));
        }
    }
    found
}

fn lowered(before: &[Product], after: &[Product]) -> Result<Vec<(Sku, Quantity)>, FileErrors> {
    let wanted: HashMap<_, _> = skus(after).map(|item| (&item.sku, item.total)).collect();
    let falls = skus(before).filter_map(|item| {
        let total = wanted.get(&item.sku).copied().unwrap_or(0);
        (total < item.total || !wanted.contains_key(&item.sku)).then_some((&item.sku, total))
    });
    let read = |(sku, total): (&Sku, i64)| Ok((sku.clone(), Quantity::try_from(total)?));
    falls
        .map(read)
        .collect::<Result<_, crate::kernel::quantity::InvalidQuantity>>()
        .map_err(|error| FileError::new(1, "product.sku.stock", error.to_string()).into())
}

fn skus(products: &[Product]) -> impl Iterator<Item = &SkuItem> {
    products.iter().flat_map(|product| &product.skus)
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, what: &str, field: &'static str, before: &str, after: &str) {
        if before != after {
            let [before, after] = [before, after].map(shortened);
            self.0.push(Change { what: what.to_owned(), field, before, after });
        }
    }

    fn sale(&mut self, before: Option<&NewSale>, after: &NewSale) {
        let texts = |sale: &NewSale| {
            [
                ("title", sale.title.clone()),
                ("accent", sale.accent.map_or(String::new(), |colour| colour.to_string())),
                ("currency", sale.currency.to_string()),
                ("starts_at", sale.starts_at.to_rfc3339()),
                ("ends_at", sale.ends_at.to_rfc3339()),
                ("hold", humantime::format_duration(sale.hold).to_string()),
                ("limit_per_shopper", sale.limit_per_shopper.get().to_string()),
            ]
        };
        let before = before.map(texts);
        for (nth, (field, after)) in texts(after).into_iter().enumerate() {
            let before = before.as_ref().and_then(|texts| texts.get(nth));
            self.add("sale", field, before.map_or("", |(_, text)| text), &after);
        }
    }

    fn products(&mut self, before: &[Product], after: &[Product]) {
        let known: HashMap<_, _> = before.iter().map(|product| (&product.slug, product)).collect();
        let owners: HashMap<_, _> = owned(before).collect();
        for product in after {
            let what = format!("product {}", product.slug);
            let texts = |product: &Product| {
                [
                    ("title", product.title.clone()),
                    ("description", product.description.clone()),
                    ("image", product.image.as_ref().map_or(String::new(), |i| i.hash.to_string())),
                    (
                        "limit_per_shopper",
                        product.limit.map_or(String::new(), |l| l.get().to_string()),
                    ),
                ]
            };
            let before = known.get(&product.slug).map(|product| texts(product));
            for (nth, (field, after)) in texts(product).into_iter().enumerate() {
                let before = before.as_ref().and_then(|texts| texts.get(nth));
                self.add(&what, field, before.map_or("", |(_, text)| text), &after);
            }
            for item in &product.skus {
                self.sku(owners.get(&item.sku).copied(), product, item);
            }
        }
        self.gone(before, after);
        self.order(before, after);
    }

    fn sku(&mut self, before: Option<(&Product, &SkuItem)>, product: &Product, item: &SkuItem) {
        let what = item.sku.as_str();
        let was =
            |text: fn(&SkuItem) -> String| before.map_or(String::new(), |(_, item)| text(item));
        let owner = before.map_or("", |(product, _)| product.slug.as_str());
        self.add(what, "product", owner, product.slug.as_str());
        self.add(what, "label", &was(|item| item.label.clone()), &item.label);
        self.add(what, "price", &was(price), &price(item));
        self.add(what, "stock", &was(|item| item.total.to_string()), &item.total.to_string());
    }

    fn gone(&mut self, before: &[Product], after: &[Product]) {
        let stays: HashMap<_, _> = owned(after).collect();
        for item in skus(before).filter(|item| !stays.contains_key(&item.sku)) {
            self.add(item.sku.as_str(), "stock", &item.total.to_string(), "removed");
        }
        for product in before.iter().filter(|old| after.iter().all(|new| new.slug != old.slug)) {
            self.add(&format!("product {}", product.slug), "", &product.title, "removed");
        }
    }

    /// Where nothing else changed, the order may have.
    fn order(&mut self, before: &[Product], after: &[Product]) {
        if self.0.is_empty() && before != after {
            self.add("sale", "order of products", "", "as in the file");
        }
    }
}

fn owned(products: &[Product]) -> impl Iterator<Item = (&Sku, (&Product, &SkuItem))> {
    products
        .iter()
        .flat_map(|product| product.skus.iter().map(move |item| (&item.sku, (product, item))))
}

fn price(item: &SkuItem) -> String {
    format!("{} {}", item.price.decimal(), item.price.currency)
}

/// A table's cell holds a line, not a description.
fn shortened(text: &str) -> String {
    const MAX: usize = 40;
    let line = text.replace('\n', " ");
    if line.chars().count() <= MAX {
        return line;
    }
    line.chars().take(MAX - 1).chain(std::iter::once('…')).collect()
}
