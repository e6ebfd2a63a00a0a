//! The whole purchase, as a person makes it.

use super::browser::{Browser, Kind};
use crate::harness::Shop;

/// From the list of sales to a full cart.
async fn fill_the_cart(browser: &Browser) {
    browser.goto("/").await;
    browser.shot("1-sales").await;
    browser.click("a[href='/sales/run']").await;
    browser.until_says("h1", "Night Run").await;
    browser.shot("2-sale").await;
    browser.click("a[href='/sales/run/products/runner-one']").await;
    browser.click("input[value='RUN1-42']").await;
    browser.fill("quantity", "2").await;
    browser.shot("3-product").await;
    browser.click("form.choose button").await;
    if browser.kind != Kind::Scriptless {
        // Told on the spot, without another page.
        browser.until_says("[data-won]", "Yours: 2 × EU 42.").await;
        browser.until_says("[data-badge]", "2").await;
        browser.shot("3-won").await;
        browser.click("[data-won] a").await;
    }
    browser.until_says(".lines", "Runner One – EU 42").await;
    browser.shot("4-cart").await;
}

async fn fill_the_form(browser: &Browser) {
    browser.click("a.button").await;
    browser.until_says("h1", "Checkout").await;
    browser.fill_in_who_buys().await;
}

async fn pay_by(browser: &Browser, method: &str) {
    browser.click(&format!("input[value='{method}']")).await;
    browser.shot("5-checkout").await;
    browser.click("form.form button").await;
}

async fn buy(kind: Kind) {
    let shop = Shop::open().await;
    let browser = Browser::open(&shop.url, kind).await;
    fill_the_cart(&browser).await;
    if kind == Kind::Scriptless {
        let held = browser.text(".hold time").await;
        assert!(held.ends_with("UTC"), "{held}");
    } else {
        browser.until_says(".hold", "for 9:").await;
    }
    fill_the_form(&browser).await;
    pay_by(&browser, "card_ok").await;
    browser.until_says("main", "Paid.").await;
    assert!(browser.text(".total").await.contains("258.00"));
    browser.shot("6-order").await;
    browser.goto("/sales/run/cart").await;
    browser.until_says("main", "There is nothing in it.").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_pair_is_bought_on_a_phone() {
    buy(Kind::Phone).await;
}

#[tokio::test]
async fn a_pair_is_bought_at_a_desk() {
    buy(Kind::Desk).await;
}

#[tokio::test]
async fn a_pair_is_bought_without_a_script() {
    buy(Kind::Scriptless).await;
}

#[tokio::test]
async fn a_refused_card_leaves_the_form_filled_in() {
    let shop = Shop::open().await;
    let browser = Browser::open(&shop.url, Kind::Scriptless).await;
    fill_the_cart(&browser).await;
    fill_the_form(&browser).await;
    pay_by(&browser, "card_declined").await;
    browser.until_says(".notice", "Payment declined").await;
    browser.shot("7-declined").await;
    assert_eq!(browser.value("shipping.name").await, "Ada Lovelace");
    pay_by(&browser, "card_ok").await;
    browser.until_says("main", "Paid.").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn an_outcome_that_is_late_shows_by_itself() {
    let shop = Shop::open().await;
    let browser = Browser::open(&shop.url, Kind::Scriptless).await;
    fill_the_cart(&browser).await;
    fill_the_form(&browser).await;
    pay_by(&browser, "card_timeout").await;
    browser.until_says("main", "One moment.").await;
    browser.shot("8-pending").await;
    browser.until_says("main", "Paid.").await;
    browser.close().await;
    shop.close().await;
}
