//! A sale as a file: read, checked field by field, with all that is wrong with it told at once.

mod fields;
mod folder;
#[cfg(test)]
mod tests;
mod values;

use std::{collections::HashMap, hash::Hash, time::Duration};

pub use fields::{FileError, FileErrors, Placed};
pub use folder::{ReadError, read};
pub use values::When;

use crate::{
    kernel::{
        clock::Timestamp,
        colour::Colour,
        ids::{ProductSlug, SaleSlug, Sku},
        money::{Currency, Money},
        quantity::Quantity,
    },
    shop::catalog::Image,
};
use fields::{Document, Fields};
use values::{hold, line_of_text, paragraphs, parsed, price, string, units, when};

/// Longest title of a sale or a product, longest label of a SKU, longest description; characters.
const MAX_TITLE: usize = 200;
const MAX_LABEL: usize = 100;
const MAX_DESCRIPTION: usize = 10_000;

/// A sale's stock is set by one script and shown on one page.
const MAX_PRODUCTS: usize = 1_000;
const MAX_SKUS: usize = 5_000;

/// What a sale's file says. Every value is valid by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleFile {
    /// The line of the `[sale]` header.
    pub line: usize,
    /// The sale's name.
    pub slug: SaleSlug,
    /// For people to read.
    pub title: String,
    /// Of its buttons and links, if not the shop's own.
    pub accent: Option<Colour>,
    /// Of all prices.
    pub currency: Placed<Currency>,
    /// From when.
    pub starts_at: Placed<When>,
    /// Until when.
    pub ends_at: Placed<When>,
    /// How long a cart is kept; whole milliseconds.
    pub hold: Placed<Duration>,
    /// Units over the whole sale.
    pub limit_per_shopper: Quantity,
    /// In the order of the file; never empty.
    pub products: Vec<FileProduct>,
}

/// A product in a sale's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProduct {
    /// The line of its header.
    pub line: usize,
    /// Its name, unique in the file.
    pub slug: ProductSlug,
    /// For people to read.
    pub title: String,
    /// Plain text; may be empty.
    pub description: String,
    /// Its picture, with its bytes.
    pub image: Option<Image>,
    /// Units of all its SKUs over the whole sale.
    pub limit_per_shopper: Option<Quantity>,
    /// In the order of the file; never empty.
    pub skus: Vec<FileSku>,
}

/// A SKU in a sale's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSku {
    /// Its name, unique in the file.
    pub sku: Sku,
    /// What tells it from its neighbours.
    pub label: String,
    /// Of one unit, in the sale's currency.
    pub price: Placed<Money>,
    /// The wanted total, never an increment.
    pub stock: Placed<Quantity>,
}

impl SaleFile {
    /// Reads the document. `picture` gives the picture of a name that an `image` field states, or
    /// says what is wrong with it.
    pub fn parse(
        text: &str,
        picture: &mut dyn FnMut(&str) -> Result<Image, String>,
    ) -> Result<Self, FileErrors> {
        let mut document = Document::new(text);
        let file = document.root().and_then(|root| {
            let root = Fields::new(&document, "", 1, &root);
            sale(&mut document, root, picture)
        });
        FileErrors::check(std::mem::take(&mut document.errors))?;
        file.ok_or_else(|| FileError::new(1, "(file)", "cannot be read").into())
    }

    /// Start and end, for a sale first imported at `first_import`.
    pub fn schedule(&self, first_import: Timestamp) -> Result<(Timestamp, Timestamp), FileError> {
        let instant = |when: &Placed<When>, field| {
            when.value
                .counted_from(first_import)
                .ok_or_else(|| FileError::new(when.line, field, "is beyond the calendar"))
        };
        let starts_at = instant(&self.starts_at, "sale.starts_at")?;
        let ends_at = instant(&self.ends_at, "sale.ends_at")?;
        if starts_at >= ends_at {
            let message = format!("expected a time after the start, {starts_at}");
            return Err(FileError::new(self.ends_at.line, "sale.ends_at", message));
        }
        Ok((starts_at, ends_at))
    }
}

fn sale(
    document: &mut Document<'_>,
    mut root: Fields<'_, '_>,
    picture: &mut dyn FnMut(&str) -> Result<Image, String>,
) -> Option<SaleFile> {
    let table = root.table(document, "sale");
    let products = root.tables(document, "product");
    root.finish(document);
    if products.len() > MAX_PRODUCTS {
        document.error(1, "product", format!("expected {MAX_PRODUCTS} products at most"));
        return None;
    }
    let mut table = table?;
    let line = table.line();
    let slug = table.required(document, "slug", parsed);
    let title = table.required(document, "title", line_of_text(MAX_TITLE));
    let accent = table.optional(document, "accent", parsed);
    let currency = table.required(document, "currency", parsed);
    let starts_at = table.required(document, "starts_at", when);
    let ends_at = table.required(document, "ends_at", when);
    let hold = table.required(document, "hold", hold);
    let limit = table.required(document, "limit_per_shopper", units(1));
    table.finish(document);

    let known = currency.as_ref().map(|currency| currency.value);
    let mut names = Names::default();
    let products: Vec<_> = products
        .into_iter()
        .map(|fields| product(document, fields, known, &mut names, picture))
        .collect();
    if names.skus.len() > MAX_SKUS {
        document.error(1, "product.sku", format!("expected {MAX_SKUS} SKUs at most"));
    }
    let file = SaleFile {
        line,
        slug: slug?.value,
        title: title?.value,
        accent: accent.map(|accent| accent.value),
        currency: currency?,
        starts_at: starts_at?,
        ends_at: ends_at?,
        hold: hold?,
        limit_per_shopper: limit?.value,
        products: products.into_iter().collect::<Option<_>>()?,
    };
    Some(file)
}

/// Names seen so far, with their lines.
#[derive(Default)]
struct Names {
    products: HashMap<ProductSlug, usize>,
    skus: HashMap<Sku, usize>,
}

fn product(
    document: &mut Document<'_>,
    mut fields: Fields<'_, '_>,
    currency: Option<Currency>,
    names: &mut Names,
    picture: &mut dyn FnMut(&str) -> Result<Image, String>,
) -> Option<FileProduct> {
    let line = fields.line();
    let slug = fields.required(document, "slug", parsed);
    let title = fields.required(document, "title", line_of_text(MAX_TITLE));
    let description = fields.optional(document, "description", paragraphs(MAX_DESCRIPTION));
    let image = fields.optional(document, "image", |name| picture(string(name)?));
    let limit = fields.optional(document, "limit_per_shopper", units(1));
    let skus = fields.tables(document, "sku");
    fields.finish(document);
    unique(document, &mut names.products, slug.as_ref(), "product.slug");
    let skus: Vec<_> =
        skus.into_iter().map(|fields| sku(document, fields, currency, &mut names.skus)).collect();
    Some(FileProduct {
        line,
        slug: slug?.value,
        title: title?.value,
        description: description.map(|text| text.value).unwrap_or_default(),
        image: image.map(|image| image.value),
        limit_per_shopper: limit.map(|limit| limit.value),
        skus: skus.into_iter().collect::<Option<_>>()?,
    })
}

fn sku(
    document: &mut Document<'_>,
    mut fields: Fields<'_, '_>,
    currency: Option<Currency>,
    names: &mut HashMap<Sku, usize>,
) -> Option<FileSku> {
    let sku = fields.required(document, "sku", parsed);
    let label = fields.required(document, "label", line_of_text(MAX_LABEL));
    // without a currency only that it is there can be told
    let price = fields.required(document, "price", |value| match currency {
        Some(currency) => price(currency)(value).map(Some),
        None => string(value).map(|_| None),
    });
    let stock = fields.required(document, "stock", units(0));
    fields.finish(document);
    unique(document, names, sku.as_ref(), "product.sku.sku");
    let price = price?;
    Some(FileSku {
        sku: sku?.value,
        label: label?.value,
        price: Placed { value: price.value?, line: price.line },
        stock: stock?,
    })
}

fn unique<T: Hash + Eq + Clone + std::fmt::Display>(
    document: &mut Document<'_>,
    seen: &mut HashMap<T, usize>,
    name: Option<&Placed<T>>,
    field: &str,
) {
    let Some(Placed { value, line }) = name else { return };
    if let Some(first) = seen.insert(value.clone(), *line) {
        document.error(*line, field, format!("{value} stands on line {first} already"));
    }
}
