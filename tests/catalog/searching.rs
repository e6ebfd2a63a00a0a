//! Finding products by what people type.

use stampede::{kernel::ids::SaleId, shop::catalog::Words};

use super::support::{FILE, Shop, slug};

#[tokio::test]
async fn products_are_found_by_words_their_beginnings_and_what_looks_alike() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let sale = shop.sales.by_slug(&slug()).await.unwrap().id;
    let find = async |text: &str| -> Vec<String> {
        let words: Words = text.parse().unwrap();
        let found = shop.catalog.search(&[sale], &words).await.unwrap();
        assert!(found.iter().all(|found| found.sale == sale));
        found.iter().map(|found| found.product.to_string()).collect()
    };
    assert_eq!(find("runner").await, ["runner-one", "runner-two"]);
    assert_eq!(find("RUN").await, ["runner-one", "runner-two"]);
    assert_eq!(find("runer").await, ["runner-one", "runner-two"], "a letter is missing");
    assert_eq!(find("runnre two").await.first().map(String::as_str), Some("runner-two"));
    assert_eq!(find("two runner").await.first().map(String::as_str), Some("runner-two"));
    assert_eq!(find("plain").await, ["runner-one"], "a word of its description");
    assert_eq!(find("hat").await, [""; 0]);
    // operators of the search are words like others
    assert_eq!(find("runner:* | !one & (two)").await.len(), 2);
    shop.close().await;
}

#[tokio::test]
async fn a_search_keeps_to_the_sales_that_it_is_given() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let words: Words = "runner".parse().unwrap();
    let found = shop.catalog.search(&[SaleId(i64::MAX)], &words).await.unwrap();
    assert!(found.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn the_search_has_an_index() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    // so few products are read through faster; whether they could be looked up is the question
    let mut tx = shop.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *tx).await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN SELECT slug FROM products, to_tsquery('simple', 'runner:*') AS wanted
         WHERE words @@ wanted OR title %> 'runner'",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    drop(tx);
    let plan = plan.join("\n");
    for index in ["products_words_idx", "products_title_idx"] {
        assert!(plan.contains(index), "{plan}");
    }
    shop.close().await;
}
