//! Lines are set to what they should be.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::Shop;

#[tokio::test]
async fn a_line_is_created_stands_changes_and_is_released() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;

    let created = shopper.put("CAP", 1).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!((&created.body["sku"], &created.body["quantity"]), (&json!("CAP"), &json!(1)));
    let ends = created.body["expires_at"].clone();
    assert!(ends.is_string());

    for quantity in [1, 3, 2] {
        let reply = shopper.put("CAP", quantity).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body, json!({"sku": "CAP", "quantity": quantity, "expires_at": ends}));
    }
    let second = shopper.put("RUN1-42", 1).await;
    assert_eq!((second.status, &second.body["expires_at"]), (StatusCode::CREATED, &ends));

    let one_left = shopper.put("CAP", 0).await;
    assert_eq!(one_left.body, json!({"sku": "CAP", "quantity": 0, "expires_at": ends}));
    let emptied = shopper.put("RUN1-42", 0).await;
    assert_eq!(emptied.body, json!({"sku": "RUN1-42", "quantity": 0, "expires_at": null}));
    assert_eq!(shopper.put("CAP", 1).await.status, StatusCode::CREATED);
    assert_eq!(shopper.delete("CAP").await.status, StatusCode::NO_CONTENT);
    assert_eq!(shopper.delete("CAP").await.status, StatusCode::NO_CONTENT);
    assert_eq!(shopper.delete("RUN1-42").await.status, StatusCode::NO_CONTENT);
    shop.close().await;
}

#[tokio::test]
async fn a_cart_shows_titles_prices_and_a_version_of_them() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let empty = shopper.cart().await.body;
    assert_eq!(empty["lines"], json!([]));
    assert_eq!(empty["expires_at"], Value::Null);
    assert_eq!(empty["total"], json!({"amount": 0, "currency": "EUR"}));

    shopper.put("RUN1-42", 2).await;
    let line = shopper.put("CAP", 1).await;
    let cart = shopper.cart().await.body;
    let price = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let lines = json!([
        {"sku": "CAP", "title": "Cap – One size", "quantity": 1, "unit_price": price(1950)},
        {"sku": "RUN1-42", "title": "Runner One – EU 42", "quantity": 2, "unit_price": price(12900)},
    ]);
    assert_eq!(cart["lines"], lines);
    assert_eq!(cart["total"], price(27_750));
    assert_eq!(cart["expires_at"], line.body["expires_at"]);
    assert_eq!(shopper.cart().await.body["version"], cart["version"]);
    shopper.put("CAP", 2).await;
    assert_ne!(shopper.cart().await.body["version"], cart["version"]);
    assert_eq!(shop.shopper().await.cart().await.body["lines"], json!([]), "nobody else's");
    shop.close().await;
}

#[tokio::test]
async fn a_limit_comes_before_sold_out() {
    let shop = Shop::open().await;
    let (first, second) = (shop.shopper().await, shop.shopper().await);
    assert_eq!(first.put("RUN1-43", 1).await.status, StatusCode::CREATED);
    let gone = second.put("RUN1-43", 1).await;
    assert_eq!((gone.status, gone.code()), (StatusCode::CONFLICT, "sold_out"));
    assert_eq!(gone.body["available"], 0);
    let over_product = second.put("RUN1-43", 3).await;
    assert_eq!((over_product.status, over_product.code()), (StatusCode::CONFLICT, "limit_reached"));
    let over_sale = second.put("CAP", 5).await;
    assert_eq!(over_sale.code(), "limit_reached");
    let huge = second.put("CAP", 100_000_000).await;
    assert_eq!(huge.code(), "limit_reached");
    shop.close().await;
}

#[tokio::test]
async fn the_same_put_a_hundred_times_at_once_takes_one() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let replies = join_all((0..100).map(|_| shopper.put("RUN1-42", 1))).await;
    let created = replies.iter().filter(|reply| reply.status == StatusCode::CREATED).count();
    assert_eq!(created, 1);
    assert!(replies.iter().all(|reply| reply.status.is_success()));
    let ends: Vec<_> = replies.iter().map(|reply| reply.body["expires_at"].to_string()).collect();
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "nobody hoards by asking again");
    assert_eq!(shopper.cart().await.body["lines"][0]["quantity"], 1);
    shop.close().await;
}
