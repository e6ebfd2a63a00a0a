//! Buying the cart, and what a key is good for.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{
    Client, Shop,
    client::{Reply, checkout_body},
    until,
};

fn told(reply: &Reply) -> (u16, &str) {
    (reply.status.as_u16(), reply.code())
}

async fn shop_and_cart() -> (Shop, Client) {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    assert_eq!(shopper.put("CAP", 2).await.status, StatusCode::CREATED);
    (shop, shopper)
}

#[tokio::test]
async fn an_order_is_paid_once_and_its_key_repeats_it() {
    let (shop, shopper) = shop_and_cart().await;
    let paid = shopper.checkout("k", "card_ok").await;
    assert_eq!(paid.status, StatusCode::CREATED);
    let order = &paid.body;
    assert!(order["id"].as_str().unwrap().starts_with("ord_"));
    let price = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    for (field, value) in [
        ("sale", json!("run")),
        ("status", json!("paid")),
        ("total", price(3_900)),
        (
            "lines",
            json!([{"sku": "CAP", "title": "Cap – One size", "quantity": 2,
            "unit_price": price(1_950)}]),
        ),
    ] {
        assert_eq!(order[field], value, "{field}");
    }
    assert!(order["created_at"].is_string() && order["paid_at"].is_string());

    let again = shopper.checkout("k", "card_ok").await;
    assert_eq!((again.status, &again.body), (StatusCode::CREATED, order));
    let other = shopper.checkout("k", "card_slow").await;
    assert_eq!(told(&other), (422, "invalid_request"));
    assert_eq!(told(&shopper.checkout("k2", "card_ok").await), (409, "cart_empty"));

    let id = order["id"].as_str().unwrap();
    assert_eq!(shopper.get(&format!("/orders/{id}")).await.body, *order);
    assert_eq!(shopper.get("/orders").await.body, json!({"orders": [order]}));
    let stranger = shop.shopper().await;
    assert_eq!(told(&stranger.get(&format!("/orders/{id}")).await), (404, "not_found"));
    assert_eq!(stranger.get("/orders").await.body, json!({"orders": []}));
    assert_eq!(
        stranger.checkout("k", "card_ok").await.code(),
        "cart_empty",
        "a key is the shopper's own"
    );
    shop.close().await;
}

#[tokio::test]
async fn a_declined_card_leaves_the_cart() {
    let (shop, shopper) = shop_and_cart().await;
    for _ in 0..2 {
        let declined = shopper.checkout("k", "card_declined").await;
        assert_eq!(told(&declined), (402, "payment_declined"));
        let order = declined.body["order"].as_str().unwrap();
        let order = shopper.get(&format!("/orders/{order}")).await.body;
        assert_eq!((&order["status"], &order["paid_at"]), (&json!("declined"), &json!(null)));
    }
    assert_eq!(shopper.cart().await.body["lines"][0]["quantity"], 2);
    assert_eq!(shopper.checkout("k2", "card_ok").await.status, StatusCode::CREATED);
    shop.close().await;
}

#[tokio::test]
async fn a_slow_card_is_waited_for_and_a_silent_one_is_not() {
    let (shop, shopper) = shop_and_cart().await;
    let patient = shop.shopper().await;
    patient.put("CAP", 1).await;
    let (slow, silent) =
        tokio::join!(patient.checkout("k", "card_slow"), shopper.checkout("k", "card_timeout"));
    assert_eq!(slow.status, StatusCode::CREATED);
    assert_eq!(silent.status, StatusCode::ACCEPTED);
    assert_eq!(silent.body["status"], "pending");
    assert_eq!(told(&shopper.put("CAP", 1).await), (409, "checkout_in_progress"));
    let path = format!("/orders/{}", silent.body["id"].as_str().unwrap());
    until("it is paid", || async { shopper.get(&path).await.body["status"] == "paid" }).await;
    let again = shopper.checkout("k", "card_timeout").await;
    assert_eq!((again.status.as_u16(), &again.body["status"]), (201, &json!("paid")));
    shop.close().await;
}

#[tokio::test]
async fn just_the_cart_that_was_seen_is_bought() {
    let (shop, shopper) = shop_and_cart().await;
    let seen = shopper.cart().await.body["version"].clone();
    shopper.put("CAP", 1).await;
    let mut body = checkout_body("card_ok");
    body["cart_version"] = seen;
    let ask = |body: &serde_json::Value| {
        shopper.ask(Method::POST, "/sales/run/checkout", Some("k"), Some(body.clone()))
    };
    assert_eq!(told(&ask(&body).await.unwrap()), (409, "cart_changed"));
    body["cart_version"] = shopper.cart().await.body["version"].clone();
    let bought = ask(&body).await.unwrap();
    assert_eq!(bought.status, StatusCode::CREATED, "a refusal is not remembered: {}", bought.body);
    shop.close().await;
}

#[tokio::test]
async fn of_many_checkouts_at_once_one_buys() {
    let (shop, shopper) = shop_and_cart().await;
    let keys: Vec<_> = (0..8).map(|n| format!("k{n}")).collect();
    let replies = join_all(keys.iter().map(|key| shopper.checkout(key, "card_ok"))).await;
    let paid = replies.iter().filter(|reply| reply.status == StatusCode::CREATED).count();
    assert_eq!(paid, 1);
    for refused in replies.iter().filter(|reply| reply.status != StatusCode::CREATED) {
        let code = refused.code();
        assert!(["checkout_in_progress", "cart_empty"].contains(&code), "{}", refused.body);
    }
    let mine = shopper.get("/orders").await.body;
    let paid = mine["orders"].as_array().unwrap().iter().filter(|order| order["status"] == "paid");
    assert_eq!(paid.count(), 1);
    shop.close().await;
}

#[tokio::test]
async fn the_same_checkout_many_times_at_once_is_one_order() {
    let (shop, shopper) = shop_and_cart().await;
    let replies = join_all((0..8).map(|_| shopper.checkout("k", "card_ok"))).await;
    for reply in &replies {
        assert!(
            reply.status == 201 || told(reply) == (409, "checkout_in_progress"),
            "{}",
            reply.body
        );
    }
    assert!(replies.iter().any(|reply| reply.status == 201));
    assert_eq!(shopper.get("/orders").await.body["orders"].as_array().unwrap().len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn a_put_during_a_checkout_changes_nothing_that_is_being_bought() {
    let (shop, shopper) = shop_and_cart().await;
    let checkout = shopper.checkout("k", "card_slow");
    let change = async {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        shopper.put("CAP", 1).await
    };
    let (bought, changed) = tokio::join!(checkout, change);
    assert_eq!(told(&changed), (409, "checkout_in_progress"));
    assert_eq!(bought.status, StatusCode::CREATED);
    assert_eq!(bought.body["lines"][0]["quantity"], 2);
    shop.close().await;
}
