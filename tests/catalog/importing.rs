//! What an import makes of a sale that is not open.

use std::time::Duration;

use stampede::{
    flows::sale_terms::{InRedis, Outcome},
    kernel::clock::from_millis,
};

use super::support::{BEFORE, FILE, Shop, parse};

#[tokio::test]
async fn a_sale_is_stored_as_its_file_says() {
    let shop = Shop::new().await;
    let imported = shop.import(FILE).await.unwrap();
    assert_eq!((imported.outcome, imported.in_redis), (Outcome::Created, InRedis::NotOpened));
    let sale = shop.sale().await;
    assert_eq!((sale.title.as_str(), sale.hold), ("Night Run", Duration::from_mins(10)));
    assert_eq!(sale.starts_at, from_millis(BEFORE + 3_600_000));
    assert_eq!((sale.paused, sale.revision), (false, imported.revision));
    let products = shop.products().await;
    let slugs: Vec<_> = products.iter().map(|product| product.slug.as_str()).collect();
    assert_eq!(slugs, ["runner-one", "runner-two"]);
    let items: Vec<_> = products
        .iter()
        .flat_map(|product| &product.skus)
        .map(|item| (item.sku.as_str(), item.price.amount, item.total))
        .collect();
    assert_eq!(items, [("RUN1-42", 12_900, 10), ("RUN1-43", 12_900, 20), ("RUN2", 5_990, 5)]);
    let image = products[0].image.as_ref().unwrap();
    let shown = shop.catalog.image(&image.hash).await.unwrap().unwrap();
    assert_eq!(shown.content_type.as_str(), "image/svg+xml");
    shop.close().await;
}

#[tokio::test]
async fn the_same_file_twice_changes_nothing() {
    let shop = Shop::new().await;
    let text = FILE.replace("2026-11-27T10:00:00Z", "+2m");
    let first = shop.import(&text).await.unwrap();
    let stored = (shop.sale().await, shop.products().await);
    shop.set_now(BEFORE + 60_000).await;
    let second = shop.import(&text).await.unwrap();
    assert_eq!((second.outcome, second.revision), (Outcome::Unchanged, first.revision));
    assert!(second.changes.is_empty());
    assert_eq!((shop.sale().await, shop.products().await), stored);
    shop.close().await;
}

#[tokio::test]
async fn offsets_count_from_the_first_import() {
    let shop = Shop::new().await;
    shop.set_now(BEFORE + 5).await;
    let text = FILE.replace("2026-11-27T10:00:00Z", "+2m").replace("2026-11-27T12:00:00Z", "+1h");
    shop.import(&text).await.unwrap();
    shop.set_now(BEFORE + 100_000).await;
    shop.import(&text.replace("\"+1h\"", "\"+2h\"")).await.unwrap();
    let sale = shop.sale().await;
    assert_eq!(sale.starts_at, from_millis(BEFORE + 5 + 120_000));
    assert_eq!(sale.ends_at, from_millis(BEFORE + 5 + 7_200_000));
    shop.close().await;
}

#[tokio::test]
async fn another_file_sets_the_sale_to_what_it_says() {
    let shop = Shop::new().await;
    let first = shop.import(FILE).await.unwrap();
    let text = FILE
        .replace("title = \"Night Run\"", "title = \"Night Walk\"")
        .replace("hold = \"10m\"", "hold = \"5m\"")
        .replace("one.svg", "other.svg")
        .replace("stock = 10", "stock = 3")
        .replace("59.90", "49.90");
    // RUN1-43 moves to the other product
    let (head, tail) = text.split_once("[[product.sku]]\nsku = \"RUN1-43\"").unwrap();
    let (moved, rest) = tail.split_once("\n[[product]]").unwrap();
    let text = format!("{head}[[product]]{rest}\n[[product.sku]]\nsku = \"RUN1-43\"{moved}");
    let imported = shop.import(&text).await.unwrap();
    assert_eq!(imported.outcome, Outcome::Changed);
    assert!(imported.revision > first.revision);
    let told: Vec<_> =
        imported.changes.iter().map(|change| (change.what.as_str(), change.field)).collect();
    assert_eq!(
        told,
        [
            ("sale", "title"),
            ("sale", "hold"),
            ("product runner-one", "image"),
            ("RUN1-42", "stock"),
            ("RUN2", "price"),
            ("RUN1-43", "product"),
        ]
    );
    let products = shop.products().await;
    assert_eq!(products[0].skus.len(), 1);
    assert_eq!(products[1].skus[1].sku.as_str(), "RUN1-43");
    assert_eq!(shop.total("RUN1-42").await, Some(3));
    assert_eq!(shop.import(&text).await.unwrap().outcome, Outcome::Unchanged);
    shop.close().await;
}

#[tokio::test]
async fn what_the_file_no_longer_names_is_gone() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let (text, _) = FILE.split_once("\n[[product]]\nslug = \"runner-two\"").unwrap();
    shop.import(text).await.unwrap();
    assert_eq!(shop.products().await.len(), 1);
    assert_eq!(shop.total("RUN2").await, None);
    shop.import(FILE).await.unwrap();
    assert_eq!(shop.total("RUN2").await, Some(5));
    shop.close().await;
}

#[tokio::test]
async fn a_new_order_of_products_alone_is_a_change() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let (head, two) = FILE.split_once("[[product]]\nslug = \"runner-two\"").unwrap();
    let (sale, one) = head.split_once("[[product]]").unwrap();
    let text = format!("{sale}[[product]]\nslug = \"runner-two\"{two}\n[[product]]{one}");
    assert_eq!(shop.import(&text).await.unwrap().outcome, Outcome::Changed);
    assert_eq!(shop.products().await[0].slug.as_str(), "runner-two");
    shop.close().await;
}

#[tokio::test]
async fn a_sale_that_is_there_stays_when_it_is_to_be_imported_only_if_absent() {
    let shop = Shop::new().await;
    let first = shop.terms.import(&parse(FILE).unwrap(), true).await.unwrap();
    let other = parse(&FILE.replace("stock = 10", "stock = 99")).unwrap();
    let second = shop.terms.import(&other, true).await.unwrap();
    assert_eq!((second.outcome, second.revision), (Outcome::Unchanged, first.revision));
    assert_eq!(shop.total("RUN1-42").await, Some(10));
    shop.close().await;
}

#[tokio::test]
async fn an_end_before_the_start_is_refused_and_changes_nothing() {
    let shop = Shop::new().await;
    let text = FILE.replace("2026-11-27T10:00:00Z", "+10h");
    assert_eq!(shop.refused(&text).await, (6, "sale.ends_at".into()));
    assert!(shop.sales.listed().await.unwrap().is_empty());
    shop.import(FILE).await.unwrap();
    let stored = (shop.sale().await, shop.products().await);
    let text = FILE.replace("T12:00", "T09:00").replace("stock = 10", "stock = 99");
    assert_eq!(shop.refused(&text).await, (6, "sale.ends_at".into()));
    assert_eq!((shop.sale().await, shop.products().await), stored);
    shop.close().await;
}

#[tokio::test]
async fn many_first_imports_at_once_make_one_sale() {
    let shop = Shop::new().await;
    let file = parse(FILE).unwrap();
    let all = (0..8).map(|_| shop.terms.import(&file, false));
    let outcomes = futures_util::future::join_all(all).await;
    let created = outcomes
        .iter()
        .filter(|outcome| outcome.as_ref().unwrap().outcome == Outcome::Created)
        .count();
    assert_eq!(created, 1);
    shop.close().await;
}

#[tokio::test]
async fn the_largest_sale_is_imported() {
    let shop = Shop::new().await;
    let sku = |n: usize| {
        format!("[[product.sku]]\nsku = \"S{n}\"\nlabel = \"l\"\nprice = \"1\"\nstock = 2\n")
    };
    let skus: String = (0..4_990).map(sku).collect();
    shop.import(&format!("{FILE}{skus}")).await.unwrap();
    shop.open().await;
    shop.import(&format!("{FILE}{}", skus.replace("stock = 2", "stock = 1"))).await.unwrap();
    shop.assert_agreed().await;
    shop.close().await;
}
