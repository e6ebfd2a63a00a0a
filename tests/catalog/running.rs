//! What an import may do to a sale whose stock is open.

use stampede::{
    flows::sale_terms::{InRedis, Outcome, SaleTermsError},
    kernel::clock::from_millis,
};

use super::support::{BEFORE, FILE, OPEN, Shop, bucket, parse, slug};

/// A sale that runs, and its epoch.
async fn running() -> (Shop, stampede::kernel::version::Epoch) {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    shop.set_now(OPEN).await;
    let epoch = shop.open().await;
    (shop, epoch)
}

#[tokio::test]
async fn a_total_is_the_wanted_total_in_both_places() {
    let (shop, epoch) = running().await;
    shop.take(epoch, "RUN1-42", 2).await;
    for stock in [30, 7, 2] {
        let text = FILE.replace("stock = 10", &format!("stock = {stock}"));
        let imported = shop.import(&text).await.unwrap();
        assert_eq!((imported.outcome, imported.in_redis), (Outcome::Changed, InRedis::Set));
        shop.assert_agreed().await;
        let units = shop.snapshot().await.units[&super::support::sku("RUN1-42")];
        assert_eq!((units.total, units.available, units.held), (stock, stock - 2, 2));
    }
    shop.close().await;
}

#[tokio::test]
async fn a_total_below_what_is_held_and_sold_is_refused_and_changes_nothing() {
    let (shop, epoch) = running().await;
    shop.take(epoch, "RUN1-42", 2).await;
    shop.take(epoch, "RUN1-42", 1).await;
    let text = FILE.replace("stock = 10", "stock = 2").replace("stock = 20", "stock = 1");
    assert_eq!(shop.refused(&text).await, (21, "product.sku.stock".into()));
    assert_eq!((shop.total("RUN1-42").await, shop.total("RUN1-43").await), (Some(10), Some(20)));
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn a_sku_goes_only_when_nothing_of_it_is_held_or_sold() {
    let (shop, epoch) = running().await;
    shop.take(epoch, "RUN2", 1).await;
    let (without, _) = FILE.split_once("\n[[product]]\nslug = \"runner-two\"").unwrap();
    assert_eq!(shop.refused(without).await, (1, "product.sku".into()));
    shop.assert_agreed().await;
    let other = FILE.replace("RUN1-43", "RUN1-44");
    shop.import(&other).await.unwrap();
    assert_eq!((shop.total("RUN1-43").await, shop.total("RUN1-44").await), (None, Some(20)));
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn prices_hold_and_currency_stay_once_the_sale_is_open() {
    let (shop, _) = running().await;
    for (piece, instead, line, field) in [
        ("\"129.00\"", "\"128.00\"", 20, "product.sku.price"),
        ("\"10m\"", "\"11m\"", 7, "sale.hold"),
        ("\"EUR\"", "\"USD\"", 4, "sale.currency"),
    ] {
        let text = FILE.replacen(piece, instead, 1);
        assert_eq!(shop.refused(&text).await, (line, field.to_owned()));
    }
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn they_stay_even_when_the_sale_is_put_off() {
    let (shop, _) = running().await;
    let later = FILE.replace("T10:00", "T11:00");
    shop.import(&later).await.unwrap();
    let cheaper = later.replace("59.90", "49.90");
    assert_eq!(shop.refused(&cheaper).await.1, "product.sku.price");
    shop.close().await;
}

#[tokio::test]
async fn they_may_change_before_even_though_the_stock_is_ready() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    shop.open().await;
    let text = FILE.replace("59.90", "49.90").replace("10m", "5m");
    assert_eq!(shop.import(&text).await.unwrap().outcome, Outcome::Changed);
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn titles_limits_times_and_new_products_may_change_while_it_runs() {
    let (shop, epoch) = running().await;
    let new = "[[product]]\nslug = \"new\"\ntitle = \"New\"\n[[product.sku]]\nsku = \"ZNEW\"\n\
               label = \"x\"\nprice = \"1\"\nstock = 3\n";
    let text = FILE
        .replace("Night Run", "Night Walk")
        .replace("T12:00", "T13:00")
        .replace("limit_per_shopper = 2", "limit_per_shopper = 3");
    shop.import(&format!("{text}\n{new}")).await.unwrap();
    shop.assert_agreed().await;
    shop.take(epoch, "ZNEW", 3).await;
    shop.take(epoch, "RUN1-42", 3).await;
    shop.set_now(BEFORE + 4 * 3_600_000 - 1).await;
    shop.take(epoch, "RUN1-42", 1).await;
    assert_eq!(shop.sale().await.ends_at, from_millis(BEFORE + 4 * 3_600_000));
    shop.close().await;
}

#[tokio::test]
async fn a_pause_reaches_the_stock_and_a_resume_too() {
    let (shop, epoch) = running().await;
    for paused in [true, false] {
        let switched = shop.terms.set_paused(&slug(), paused).await.unwrap();
        assert_eq!((switched.changed, switched.in_redis), (true, InRedis::Set));
        assert_eq!(shop.snapshot().await.paused, paused);
        shop.assert_agreed().await;
        assert!(!shop.terms.set_paused(&slug(), paused).await.unwrap().changed);
    }
    shop.take(epoch, "RUN2", 1).await;
    let none = shop.terms.set_paused(&"none".parse().unwrap(), true).await;
    assert!(matches!(none, Err(SaleTermsError::NotFound)));
    shop.close().await;
}

#[tokio::test]
async fn an_import_leaves_the_pause_as_it_is() {
    let (shop, _) = running().await;
    shop.terms.set_paused(&slug(), true).await.unwrap();
    shop.import(&FILE.replace("stock = 10", "stock = 11")).await.unwrap();
    assert!(shop.sale().await.paused && shop.snapshot().await.paused);
    shop.close().await;
}

#[tokio::test]
async fn a_lower_needs_redis_and_says_so_while_a_raise_does_not() {
    let (shop, _) = running().await;
    let away = shop.without_redis();
    let lower = parse(&FILE.replace("stock = 10", "stock = 9")).unwrap();
    let error = away.import(&lower, false).await.unwrap_err();
    assert!(matches!(error, SaleTermsError::StockAway(_)), "{error}");
    assert!(error.to_string().contains("try again"));
    assert_eq!(shop.total("RUN1-42").await, Some(10));

    let raise = parse(&FILE.replace("stock = 10", "stock = 11")).unwrap();
    let imported = away.import(&raise, false).await.unwrap();
    assert!(matches!(imported.in_redis, InRedis::Later(_)));
    assert_eq!(shop.total("RUN1-42").await, Some(11));
    let in_redis = shop.snapshot().await.revision;
    shop.terms.reconcile(&slug(), in_redis).await.unwrap();
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn a_sale_that_was_never_opened_needs_no_redis() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let away = shop.without_redis();
    let lower = parse(&FILE.replace("stock = 10", "stock = 9")).unwrap();
    assert_eq!(away.import(&lower, false).await.unwrap().in_redis, InRedis::NotOpened);
    assert_eq!(away.set_paused(&slug(), true).await.unwrap().in_redis, InRedis::NotOpened);
    assert!(shop.inventory.snapshot(&bucket()).await.unwrap().is_none());
    shop.close().await;
}
