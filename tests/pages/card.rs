//! Paying by card with Stripe: its script on the checkout page alone, the bank between, and a refund.
//! Stripe's own script and server are stand-ins.

use super::browser::{Browser, Kind};
use crate::{
    checkout::stripe::server::Server,
    harness::{Plan, SALE, Shop, free_port},
};

async fn shop_with(server: &Server) -> Shop {
    let port = free_port();
    let secret = "0123456789abcdef0123456789abcdef";
    let shop = Plan::default()
        .with("STAMPEDE_WEB__LISTEN", &format!("127.0.0.1:{port}"))
        .with("STAMPEDE_WEB__PUBLIC_URL", &format!("http://127.0.0.1:{port}"))
        .with("STAMPEDE_PAYMENTS__PROVIDER", "stripe")
        .with("STAMPEDE_STRIPE__SECRET_KEY", &format!("sk_test_{secret}"))
        .with("STAMPEDE_STRIPE__PUBLISHABLE_KEY", "pk_test_scripted")
        .with("STAMPEDE_STRIPE__WEBHOOK_SECRETS", &format!("whsec_{secret}"))
        .with("STAMPEDE_STRIPE__API_URL", &server.url)
        .with("STAMPEDE_STRIPE__SCRIPT_URL", &format!("{}/stripe.js", server.url))
        .start()
        .await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    shop
}

async fn to_the_checkout(browser: &Browser) {
    browser.goto("/sales/run/products/runner-one").await;
    browser.click("input[value='RUN1-42']").await;
    browser.click("form.choose button").await;
    browser.until_says("[data-won]", "Yours").await;
    browser.goto("/sales/run/checkout").await;
    browser.until_says("[data-card]", "Card fields of pk_test_scripted: 12900 eur").await;
    browser.fill_in_who_buys().await;
}

async fn pay_with(browser: &Browser, method: &str) {
    browser.fill("the-card", method).await;
    browser.click("form.form button").await;
}

#[tokio::test]
async fn a_card_is_taken_by_the_provider_s_script_and_paid() {
    let server = Server::start();
    let shop = shop_with(&server).await;
    let browser = Browser::open(&shop.url, Kind::Desk).await;
    to_the_checkout(&browser).await;
    browser.looks("checkout-card").await;

    // what the provider says of the card stands beside it, and nothing is sent
    pay_with(&browser, "wrong").await;
    browser.until_says("[data-card-fault]", "Your card number is incomplete.").await;
    assert_eq!(server.count("POST", "payment_intents"), 0);

    pay_with(&browser, "ctoken_declined").await;
    browser.until_says(".notice", "Payment declined").await;
    browser.until_says("[data-card]", "Card fields").await;
    pay_with(&browser, "ctoken_visa").await;
    browser.until_says("main", "Paid.").await;
    assert_eq!(server.statuses().iter().filter(|status| *status == "succeeded").count(), 1);

    let id = browser.text("dd code").await;
    shop.said(&["orders", "refund", &id, "--restock"]);
    browser.goto(&format!("/orders/{id}")).await;
    browser.until_says("main", "Refunded.").await;
    browser.until_says("dl", "€129.00").await;
    browser.looks("order-refunded").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_bank_sees_the_shopper_and_sends_him_back() {
    let server = Server::start();
    let shop = shop_with(&server).await;
    let browser = Browser::open(&shop.url, Kind::Phone).await;
    to_the_checkout(&browser).await;
    pay_with(&browser, "ctoken_bank").await;
    browser.until_says("main", "Your bank asks.").await;
    browser.looks("order-bank").await;
    let way = "return document.querySelector('main a.button').href";
    let way = browser.driver.execute(way, Vec::new()).await.unwrap();
    assert_eq!(way, "https://bank.example/3ds");
    server.bank(true);
    browser.until_says("main", "Paid.").await;
    browser.close().await;
    shop.close().await;
}

/// The provider's script is let in on the checkout page, and on no other.
#[tokio::test]
async fn only_the_checkout_lets_the_provider_in() {
    let server = Server::start();
    let shop = shop_with(&server).await;
    let shopper = shop.shopper().await;
    assert_eq!(shopper.put("RUN1-42", 1).await.status, 201);
    let cookie = format!("stampede_session={}", shopper.token);
    for (path, let_in) in [
        ("/sales/run/checkout", true),
        ("/sales/run/cart", false),
        ("/sales/run", false),
        ("/sales/run/products/runner-one", false),
        ("/", false),
    ] {
        let request = reqwest::Client::new().get(format!("{}{path}", shop.url));
        let reply = request.header("cookie", &cookie).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        let policy = reply.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert_eq!(policy.contains(&server.url), let_in, "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline"), "{path}: {policy}");
        assert_eq!(reply.text().await.unwrap().contains("/stripe.js"), let_in, "{path}");
    }
    shop.close().await;
}
