//! The SQL of `products`, `skus` and `images`.

use std::collections::HashMap;

use sqlx::{PgConnection, PgExecutor, query, query_scalar};

use super::{
    image::{Image, ImageHash},
    model::{ImageRef, Product, SkuItem},
};
use crate::kernel::{
    ids::SaleId,
    money::{Currency, Money},
    quantity::Quantity,
};

/// What a sale sells, in the order of its file. One statement, so that it is of one moment.
pub async fn products(
    db: impl PgExecutor<'_>,
    sale: SaleId,
    currency: Currency,
) -> sqlx::Result<Vec<Product>> {
    let rows = query!(
        r#"SELECT p.slug, p.title, p.description, p.image_hash, i.content_type AS "content_type?",
                  p.limit_per_shopper, s.sku, s.label, s.price_minor, s.total
           FROM products p
           JOIN skus s ON s.product_id = p.id
           LEFT JOIN images i ON i.hash = p.image_hash
           WHERE p.sale_id = $1 ORDER BY p.position, p.id, s.position, s.sku"#,
        sale.0
    );
    let mut products: Vec<Product> = Vec::new();
    for row in rows.fetch_all(db).await? {
        let item = SkuItem {
            sku: row.sku.parse().map_err(decode)?,
            label: row.label,
            price: Money { amount: row.price_minor, currency },
            total: row.total,
        };
        match products.last_mut() {
            Some(product) if product.slug.as_str() == row.slug => product.skus.push(item),
            _ => products.push(Product {
                slug: row.slug.parse().map_err(decode)?,
                title: row.title,
                description: row.description,
                image: image_ref(row.image_hash, row.content_type)?,
                limit: row
                    .limit_per_shopper
                    .map(|limit| Quantity::try_from(i64::from(limit)).map_err(decode))
                    .transpose()?,
                skus: vec![item],
            }),
        }
    }
    Ok(products)
}

/// A picture with its bytes.
pub async fn image(db: impl PgExecutor<'_>, hash: &ImageHash) -> sqlx::Result<Option<Image>> {
    let row = query!("SELECT content_type, bytes FROM images WHERE hash = $1", hash.as_str());
    let Some(row) = row.fetch_optional(db).await? else { return Ok(None) };
    let content_type = row.content_type.parse().map_err(decode)?;
    Ok(Some(Image { hash: hash.clone(), content_type, bytes: row.bytes.into() }))
}

/// Stores the pictures that are not there yet. Those that no product shows any more stay: pages
/// that name them may still be in a cache.
pub async fn add_images<'a>(
    db: &mut PgConnection,
    images: impl IntoIterator<Item = &'a Image>,
) -> sqlx::Result<()> {
    let mut missing: HashMap<&str, &Image> =
        images.into_iter().map(|image| (image.hash.as_str(), image)).collect();
    let hashes: Vec<String> = missing.keys().map(|&hash| hash.to_owned()).collect();
    let there = query_scalar!("SELECT hash FROM images WHERE hash = ANY($1)", &hashes);
    for hash in there.fetch_all(&mut *db).await? {
        missing.remove(hash.as_str());
    }
    for (hash, image) in missing {
        query!(
            "INSERT INTO images (hash, content_type, bytes) VALUES ($1, $2, $3)
             ON CONFLICT ON CONSTRAINT images_pkey DO NOTHING",
            hash,
            image.content_type.as_str(),
            image.bytes.as_ref()
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Sets what the sale sells to just these products, whose pictures are stored already.
pub async fn set_products(
    db: &mut PgConnection,
    sale: SaleId,
    products: &[Product],
) -> sqlx::Result<()> {
    upsert_products(db, sale, products).await?;
    upsert_skus(db, sale, products).await?;
    let skus: Vec<String> =
        products.iter().flat_map(|p| &p.skus).map(|item| item.sku.to_string()).collect();
    query!("DELETE FROM skus WHERE sale_id = $1 AND sku <> ALL($2)", sale.0, &skus)
        .execute(&mut *db)
        .await?;
    let slugs: Vec<String> = products.iter().map(|product| product.slug.to_string()).collect();
    query!("DELETE FROM products WHERE sale_id = $1 AND slug <> ALL($2)", sale.0, &slugs)
        .execute(&mut *db)
        .await?;
    Ok(())
}

async fn upsert_products(
    db: &mut PgConnection,
    sale: SaleId,
    products: &[Product],
) -> sqlx::Result<()> {
    let column = |of: fn(&Product) -> String| products.iter().map(of).collect::<Vec<_>>();
    let image = |p: &Product| p.image.as_ref().map_or_else(String::new, |i| i.hash.to_string());
    let images: Vec<String> = products.iter().map(image).collect();
    let limits = products
        .iter()
        .map(|product| product.limit.map_or(Ok(0), |limit| i32::try_from(limit.get())))
        .collect::<Result<Vec<_>, _>>()
        .map_err(encode)?;
    query!(
        "INSERT INTO products
             (sale_id, slug, title, description, image_hash, limit_per_shopper, position)
         SELECT $1, slug, title, description, nullif(image, ''), nullif(lim, 0), nth
         FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::integer[])
             WITH ORDINALITY AS new (slug, title, description, image, lim, nth)
         ON CONFLICT ON CONSTRAINT products_slug_key DO UPDATE SET
             title = excluded.title, description = excluded.description,
             image_hash = excluded.image_hash, limit_per_shopper = excluded.limit_per_shopper,
             position = excluded.position",
        sale.0,
        &column(|product| product.slug.to_string()),
        &column(|product| product.title.clone()),
        &column(|product| product.description.clone()),
        // no picture: '', no limit: 0; the macros take no optional elements
        &images,
        &limits
    )
    .execute(db)
    .await
    .map(drop)
}

async fn upsert_skus(
    db: &mut PgConnection,
    sale: SaleId,
    products: &[Product],
) -> sqlx::Result<()> {
    let (mut slugs, mut skus, mut labels, mut prices, mut totals) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (product, item) in products.iter().flat_map(|p| p.skus.iter().map(move |item| (p, item))) {
        slugs.push(product.slug.to_string());
        skus.push(item.sku.to_string());
        labels.push(item.label.clone());
        prices.push(item.price.amount);
        totals.push(item.total);
    }
    query!(
        "INSERT INTO skus (sale_id, sku, product_id, label, price_minor, total, position)
         SELECT $1, new.sku, p.id, new.label, new.price, new.total, new.nth
         FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
             WITH ORDINALITY AS new (product, sku, label, price, total, nth)
         JOIN products p ON p.sale_id = $1 AND p.slug = new.product
         ON CONFLICT ON CONSTRAINT skus_pkey DO UPDATE SET
             product_id = excluded.product_id, label = excluded.label,
             price_minor = excluded.price_minor, total = excluded.total,
             position = excluded.position",
        sale.0,
        &slugs,
        &skus,
        &labels,
        &prices,
        &totals
    )
    .execute(db)
    .await
    .map(drop)
}

fn image_ref(hash: Option<String>, content_type: Option<String>) -> sqlx::Result<Option<ImageRef>> {
    let (Some(hash), Some(content_type)) = (hash, content_type) else { return Ok(None) };
    Ok(Some(ImageRef {
        hash: hash.parse().map_err(decode)?,
        content_type: content_type.parse().map_err(decode)?,
    }))
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn encode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}
