//! What is on sale.

use std::{collections::HashMap, fmt};

use serde::Serialize;

use super::image::{ContentType, ImageHash};
use crate::kernel::{
    ids::{ProductSlug, Sku},
    money::Money,
    quantity::Quantity,
    version::Revision,
};

/// A thing that is sold in one or more SKUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Its name in URLs, unique within the sale.
    pub slug: ProductSlug,
    /// For people to read.
    pub title: String,
    /// Plain text, paragraphs apart by empty lines; may be empty.
    pub description: String,
    /// Its picture.
    pub image: Option<ImageRef>,
    /// Units of all its SKUs together that a shopper may hold and buy over the sale.
    pub limit: Option<Quantity>,
    /// In the order of the file; never empty.
    pub skus: Vec<SkuItem>,
}

/// Where a picture is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageRef {
    /// Its name.
    pub hash: ImageHash,
    /// What it is served as.
    pub content_type: ContentType,
}

/// What can be put into a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkuItem {
    /// Its name, unique within the sale.
    pub sku: Sku,
    /// What tells it from its neighbours, such as `EU 42`.
    pub label: String,
    /// Of one unit.
    pub price: Money,
    /// Units on sale altogether, taken or not.
    pub total: i64,
}

/// Everything that a sale sells, as of one revision of the sale or a later one.
pub struct SaleCatalog {
    /// In the order of the file.
    pub products: Vec<Product>,
    pub(super) revision: Revision,
    places: HashMap<Sku, (usize, usize)>,
}

impl SaleCatalog {
    pub(super) fn new(products: Vec<Product>, revision: Revision) -> Self {
        let places = products.iter().enumerate().flat_map(|(at, product)| {
            product.skus.iter().enumerate().map(move |(nth, item)| (item.sku.clone(), (at, nth)))
        });
        Self { places: places.collect(), products, revision }
    }

    /// The SKU and its product.
    #[must_use]
    pub fn find(&self, sku: &Sku) -> Option<(&Product, &SkuItem)> {
        let (at, nth) = *self.places.get(sku)?;
        let product = self.products.get(at)?;
        Some((product, product.skus.get(nth)?))
    }

    /// The product of that name.
    #[must_use]
    pub fn product(&self, slug: &ProductSlug) -> Option<&Product> {
        self.products.iter().find(|product| product.slug == *slug)
    }
}

impl fmt::Debug for SaleCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaleCatalog")
            .field("products", &self.products)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
