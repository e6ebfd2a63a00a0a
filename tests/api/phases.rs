//! Before, after and in between.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::plain;
use crate::harness::{
    Plan, SALE, Shop,
    client::{Reply, checkout_body},
    until,
};

fn told(reply: &Reply) -> (u16, &str) {
    (reply.status.as_u16(), reply.code())
}

#[tokio::test]
async fn before_the_start_nothing_is_taken() {
    let shop = Plan::default().start().await;
    shop.import(&SALE.replace("\"+0s\"", "\"+1h\"")).await;
    let shopper = shop.shopper().await;
    let early = shopper.put("CAP", 1).await;
    assert_eq!(told(&early), (403, "sale_not_started"));
    let sale = plain(&shop, "GET", "/api/v1/sales/run").await.json();
    assert_eq!(early.body["starts_at"], sale["starts_at"]);
    assert_eq!(sale["phase"], "before");
    assert_eq!(shopper.delete("CAP").await.status, StatusCode::NO_CONTENT);
    let stock = plain(&shop, "GET", "/api/v1/sales/run/stock").await.json();
    assert_eq!(stock["RUN1-42"], json!({"available": 50, "held": 0, "sold": 0}));
    shop.until_open("run").await;
    shop.close().await;
}

#[tokio::test]
async fn after_the_end_what_is_held_can_be_lowered_and_bought() {
    let shop = Plan::default().start().await;
    shop.import(&SALE.replace("\"+30d\"", "\"+4s\"")).await;
    shop.until_open("run").await;
    let shopper = shop.shopper().await;
    assert_eq!(shopper.put("CAP", 3).await.status, StatusCode::CREATED);
    until("the sale ends", || async {
        shop.shopper().await.put("CAP", 1).await.code() == "sale_ended"
    })
    .await;
    assert_eq!(told(&shopper.put("CAP", 4).await), (403, "sale_ended"));
    assert_eq!(shopper.put("CAP", 3).await.status, StatusCode::OK);
    assert_eq!(shopper.put("CAP", 2).await.status, StatusCode::OK);
    let bought = shopper.checkout("k", "card_ok").await;
    assert_eq!(bought.status, StatusCode::CREATED, "{}", bought.body);
    let sale = plain(&shop, "GET", "/api/v1/sales/run").await.json();
    assert_eq!(sale["phase"], "ended");
    shop.close().await;
}

#[tokio::test]
async fn while_paused_what_is_held_can_be_lowered_and_bought() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    shopper.put("CAP", 2).await;
    let slug = "run".parse().unwrap();
    shop.app.sale_terms.set_paused(&slug, true).await.unwrap();
    let reply = shopper.put("CAP", 3).await;
    assert_eq!(told(&reply), (503, "sale_paused"));
    assert!(reply.headers.contains_key("retry-after"));
    assert!(reply.body["retry_after"].as_u64().unwrap() >= 1);
    assert_eq!(shopper.put("CAP", 1).await.status, StatusCode::OK);
    until("the pause shows", || async {
        plain(&shop, "GET", "/api/v1/sales/run").await.json()["phase"] == "paused"
    })
    .await;
    assert_eq!(shopper.checkout("k", "card_ok").await.status, StatusCode::CREATED);
    shop.app.sale_terms.set_paused(&slug, false).await.unwrap();
    assert_eq!(shopper.put("CAP", 1).await.status, StatusCode::CREATED);
    shop.close().await;
}

#[tokio::test]
async fn a_cart_that_ran_out_says_so_until_the_next_put() {
    let shop = Plan::default().start().await;
    shop.import(&SALE.replace("\"10m\"", "\"1s\"")).await;
    shop.until_open("run").await;
    let shopper = shop.shopper().await;
    let first = shopper.put("RUN1-43", 1).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(told(&shopper.cart().await), (409, "hold_expired"));
    assert_eq!(told(&shopper.checkout("k", "card_ok").await), (409, "hold_expired"));
    let other = shop.shopper().await;
    until("the pair is on the shelf again", || async {
        other.put("RUN1-43", 1).await.status == StatusCode::CREATED
    })
    .await;
    let again = shopper.put("CAP", 1).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_ne!(again.body["expires_at"], first.body["expires_at"]);
    until("everything runs out", || async {
        shopper.cart().await.code() == "hold_expired" && other.cart().await.code() == "hold_expired"
    })
    .await;
    let auditor = shop.app.auditor.clone();
    until("nothing moves", || async { auditor.all().await.unwrap().iter().all(|sale| sale.quiet) })
        .await;
    shop.close().await;
}

#[tokio::test]
async fn a_sale_that_is_not_open_yet_asks_for_patience_and_never_says_sold_out() {
    let shop = Plan::default().roles(&[]).start().await;
    shop.import(SALE).await;
    let shopper = shop.shopper().await;
    let reply = shopper.put("CAP", 1).await;
    assert_eq!(told(&reply), (503, "unavailable"));
    let seconds = reply.body["retry_after"].as_u64().unwrap();
    assert_eq!(reply.headers["retry-after"], seconds.to_string());
    assert_eq!(told(&shopper.cart().await), (503, "unavailable"));
    let body = Some(checkout_body("card_ok"));
    let path = "/sales/run/checkout";
    let checkout = shopper.ask(Method::POST, path, Some("k"), body).await.unwrap();
    assert_eq!(told(&checkout), (503, "unavailable"));
    for path in ["/", "/sales/run", "/sales/run/products/cap", "/api/v1/sales/run/stock"] {
        assert_eq!(plain(&shop, "GET", path).await.status, 200, "{path}: pages stay up");
    }
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(!detail.to_lowercase().contains("redis"), "a 5xx explains nothing: {detail}");
    shop.close().await;
}
