//! Every state that a shopper can meet, on a phone and at a desk, by day and by night.

use stampede::flows::sale_terms;
use uuid::Uuid;

use super::browser::{Browser, Kind};
use crate::harness::{Plan, SALE, Shop};

const PRODUCT: &str = "/sales/run/products/runner-one";

/// Only one pair of the shoe, so that others can take it.
fn one_pair() -> String {
    SALE.replace("stock = 50", "stock = 0")
}

/// Imports a sale whose products have pictures, as those of a real one.
async fn import(shop: &Shop, file: &str) {
    const SHOE: &str = include_str!("../../deploy/demo/gale-runner.svg");
    const BOOT: &str = include_str!("../../deploy/demo/ridge-trail.svg");
    let folder = std::env::temp_dir().join(format!("stampede-{}", Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("shoe.svg"), SHOE).unwrap();
    std::fs::write(folder.join("boot.svg"), BOOT).unwrap();
    let file = file
        .replace("title = \"Runner One\"", "title = \"Runner One\"\nimage = \"shoe.svg\"")
        .replace("title = \"Cap\"", "title = \"Cap\"\nimage = \"boot.svg\"")
        .replace("currency = ", "accent = \"#3b5bdb\"\ncurrency = ");
    std::fs::write(folder.join("sale.toml"), file).unwrap();
    let file = sale_terms::file::read(&folder.join("sale.toml")).expect("a file without errors");
    std::fs::remove_dir_all(&folder).unwrap();
    shop.app.sale_terms.import(&file, false).await.expect("the file is imported");
}

async fn opened(file: &str) -> (Shop, Browser) {
    let shop = Plan::default().start().await;
    import(&shop, file).await;
    shop.until_open("run").await;
    let browser = Browser::open(&shop.url, Kind::Desk).await;
    (shop, browser)
}

/// Waits until a place says something, and keeps pictures of it.
async fn see(browser: &Browser, name: &str, css: &str, text: &str) {
    browser.until_says(css, text).await;
    browser.looks(name).await;
}

async fn take(browser: &Browser, sku: &str) {
    browser.click(&format!("input[value='{sku}']")).await;
    browser.click("form.choose button").await;
}

async fn pay_by(browser: &Browser, method: &str) {
    browser.click(&format!("input[value='{method}']")).await;
    browser.click("form.form button").await;
}

#[tokio::test]
async fn before_the_opening() {
    let shop = Plan::default().start().await;
    import(&shop, &SALE.replace("\"+0s\"", "\"+10m\"")).await;
    let browser = Browser::open(&shop.url, Kind::Desk).await;
    browser.goto("/").await;
    see(&browser, "home-before", ".drop .phase", "in 9:").await;
    browser.goto("/sales/run").await;
    see(&browser, "sale-before", ".phase", "in 9:").await;
    browser.goto(PRODUCT).await;
    browser.until_says(".how", "Yours for 10 minutes.").await;
    browser.until_says(".how", "2 for each shopper.").await;
    see(&browser, "before", "form.choose button", "Opens in 9:").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn while_the_stock_is_being_opened() {
    let shop = Plan::default().roles(&[]).start().await;
    import(&shop, SALE).await;
    let browser = Browser::open(&shop.url, Kind::Desk).await;
    browser.goto(PRODUCT).await;
    take(&browser, "RUN1-42").await;
    see(&browser, "opening", "[data-said]", "Busy at the doors. You are in line…").await;
    browser.close().await;
    let browser = Browser::open(&shop.url, Kind::Scriptless).await;
    browser.goto(PRODUCT).await;
    take(&browser, "RUN1-42").await;
    browser.until_says(".notice", "One moment").await;
    browser.shot("state-opening").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn open_and_what_may_be_had() {
    let (shop, browser) = opened(SALE).await;
    browser.goto("/").await;
    see(&browser, "home-open", ".drop .phase", "Open until").await;
    browser.goto("/sales/run").await;
    see(&browser, "sale-open", ".card .stock", "in stock").await;
    browser.goto(PRODUCT).await;
    see(&browser, "open", "[data-skus='RUN1-43']", "1 left").await;
    take(&browser, "RUN1-42").await;
    see(&browser, "won", "[data-won]", "Yours: 1 × EU 42.").await;
    browser.fill("quantity", "2").await;
    take(&browser, "RUN1-43").await;
    see(&browser, "limit", "[data-said]", "Limit reached").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn sold_out_for_now_and_for_good() {
    let (shop, browser) = opened(&one_pair()).await;
    browser.goto(PRODUCT).await;
    see(&browser, "low", ".brief .stock", "1 left").await;
    let other = shop.shopper().await;
    other.put("RUN1-43", 1).await;
    see(&browser, "gone-for-now", "[data-shelf]", "Sold out for now: 1 held in carts.").await;
    browser.until_says("form.choose button", "Sold out for now").await;
    other.put("RUN1-43", 0).await;
    browser.until_says("form.choose button", "Add to cart").await;
    other.put("RUN1-43", 1).await;
    other.checkout("k", "card_ok").await;
    see(&browser, "gone", "[data-shelf]", "Every one has found its owner.").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn paused_and_on_again() {
    let (shop, browser) = opened(SALE).await;
    let slug = "run".parse().unwrap();
    shop.app.sale_terms.set_paused(&slug, true).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    browser.goto(PRODUCT).await;
    see(&browser, "paused", ".phase", "Paused for a moment.").await;
    browser.until_says("form.choose button", "Paused").await;
    shop.app.sale_terms.set_paused(&slug, false).await.unwrap();
    browser.until_says("form.choose button", "Add to cart").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn over() {
    let (shop, browser) = opened(&SALE.replace("\"+30d\"", "\"+12s\"")).await;
    browser.goto(PRODUCT).await;
    browser.until_says("form.choose button", "Add to cart").await;
    // The page that was open says so by itself.
    browser.until_says("form.choose button", "Ended").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    browser.goto(PRODUCT).await;
    see(&browser, "ended", ".phase", "Ended").await;
    browser.goto("/").await;
    see(&browser, "home-ended", ".over", "Night Run").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_cart_that_runs_out() {
    let (shop, browser) = opened(&SALE.replace("\"10m\"", "\"20s\"")).await;
    browser.goto("/sales/run/cart").await;
    see(&browser, "cart-empty", "main", "There is nothing in it.").await;
    browser.goto(PRODUCT).await;
    take(&browser, "RUN1-42").await;
    browser.until_says("[data-won]", "Yours").await;
    browser.goto("/sales/run/cart").await;
    see(&browser, "cart-late", ".hold.late", "Yours for 0:").await;
    see(&browser, "cart-ran-out", "main", "The cart ran out.").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn from_the_form_to_the_receipt() {
    let (shop, browser) = opened(SALE).await;
    browser.goto(PRODUCT).await;
    browser.fill("quantity", "2").await;
    take(&browser, "RUN1-42").await;
    browser.until_says("[data-won]", "Yours").await;
    browser.goto("/sales/run/cart").await;
    see(&browser, "cart", ".hold", "Yours for 9:").await;
    browser.goto("/sales/run/checkout").await;
    see(&browser, "checkout", "form.form button", "Pay €258.00").await;
    browser.fill_in_who_buys().await;
    // A browser that checks nothing itself.
    let unchecked = "document.querySelector('form.form').noValidate = true";
    browser.driver.execute(unchecked, Vec::new()).await.unwrap();
    browser.fill("email", "nobody").await;
    browser.click("form.form button").await;
    browser.until_says("#email-fault", "E-mail must be an address").await;
    see(&browser, "faults", ".notice", "Payment is missing.").await;
    let focus = "return document.activeElement.className";
    let focus = browser.driver.execute(focus, Vec::new()).await.unwrap();
    assert_eq!(focus, "notice", "what is wrong is read first");
    assert_eq!(browser.value("shipping.name").await, "Ada Lovelace");
    browser.fill("email", "ada@example.org").await;
    pay_by(&browser, "card_declined").await;
    browser.until_says(".notice", "Nothing was charged").await;
    see(&browser, "declined", ".hold", "Yours for 9:").await;
    pay_by(&browser, "card_timeout").await;
    see(&browser, "pending", "main", "One moment.").await;
    see(&browser, "paid", "main", "Paid.").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn nothing_there_and_nothing_to_be_had() {
    let shop = Plan::default().roles(&[]).start().await;
    let browser = Browser::open(&shop.url, Kind::Desk).await;
    browser.goto("/nowhere").await;
    see(&browser, "404", "h1", "Not found").await;
    // Nothing was read yet that could be shown from memory.
    shop.app.pool.close().await;
    browser.goto("/").await;
    see(&browser, "503", "h1", "One moment").await;
    browser.close().await;
    shop.discard().await;
}
