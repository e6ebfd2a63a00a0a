//! What requests see of sales and products, and when.

use std::time::{Duration, Instant};

use sqlx::postgres::PgPoolOptions;
use stampede::shop::{
    catalog::Catalog,
    sales::{Sales, SalesError},
};

use super::support::{FILE, Shop, sku, slug};

#[tokio::test]
async fn an_import_is_seen_at_once_here_and_within_a_second_elsewhere() {
    let shop = Shop::new().await;
    let elsewhere = Sales::new(shop.pool.clone());
    let unknown = elsewhere.by_slug(&slug()).await;
    assert!(matches!(unknown, Err(SalesError::NotFound)));
    assert!(shop.sales.by_slug(&slug()).await.is_err());
    shop.import(FILE).await.unwrap();
    assert!(shop.sales.by_slug(&slug()).await.is_ok());
    let began = Instant::now();
    while elsewhere.by_slug(&slug()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shop.close().await;
}

#[tokio::test]
async fn products_follow_their_sale_s_revision() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let price = async || {
        let sale = shop.sales.by_slug(&slug()).await.unwrap();
        let catalog = shop.catalog.of_sale(sale.id, sale.currency, sale.revision).await.unwrap();
        let (product, item) = catalog.find(&sku("RUN2")).unwrap();
        assert_eq!(catalog.product(&product.slug), Some(product));
        item.price.amount
    };
    assert_eq!(price().await, 5_990);
    shop.import(&FILE.replace("59.90", "49.90")).await.unwrap();
    assert_eq!(price().await, 4_990);
    shop.close().await;
}

#[tokio::test]
async fn while_postgres_is_away_the_last_known_goes_on_and_nobody_waits_in_turn() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let known = shop.sales.by_slug(&slug()).await.unwrap();
    let of = |revision| shop.catalog.of_sale(known.id, known.currency, revision);
    let products = of(known.revision).await.unwrap();
    let image = products.products[0].image.clone().unwrap();
    shop.catalog.image(&image.hash).await.unwrap().unwrap();

    shop.pool.close().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(shop.sales.by_slug(&slug()).await.unwrap(), known);
        // even when the sale is known in a revision whose products were never read
        let later = stampede::kernel::version::Revision(known.revision.0 + 1);
        assert_eq!(of(later).await.unwrap().products, products.products);
        assert!(shop.catalog.image(&image.hash).await.unwrap().is_some());
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    shop.close().await;
}

#[tokio::test]
async fn a_failure_is_remembered_when_nothing_is_known() {
    // nothing listens there
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_lazy("postgres://nobody@127.0.0.1:1/none")
        .unwrap();
    let (sales, catalog) = (Sales::new(pool.clone()), Catalog::new(pool));
    assert!(matches!(sales.listed().await, Err(SalesError::Unavailable(_))));
    let hash = "a".repeat(64).parse().unwrap();
    assert!(catalog.image(&hash).await.is_err());
    let began = Instant::now();
    for _ in 0..100 {
        assert!(sales.by_slug(&slug()).await.is_err());
        assert!(catalog.image(&hash).await.is_err());
    }
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
}
