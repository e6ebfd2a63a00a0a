//! What moves by itself.

use fantoccini::Locator;

use super::browser::{Browser, Kind};
use crate::harness::{Plan, SALE, Shop};

#[tokio::test]
async fn stock_moves_by_itself() {
    let shop = Shop::open().await;
    let browser = Browser::open(&shop.url, Kind::Phone).await;
    browser.goto("/sales/run/products/runner-one").await;
    let place = "[data-skus='RUN1-43']";
    browser.until_says(place, "1 left").await;
    let shopper = shop.shopper().await;
    shopper.put("RUN1-43", 1).await;
    browser.until_says(place, "all in carts").await;
    let choice = Locator::Css("input[value='RUN1-43']");
    let radio = browser.driver.find(choice).await.unwrap();
    assert!(!radio.is_enabled().await.unwrap());
    shopper.checkout("k", "card_ok").await;
    browser.until_says(place, "sold out").await;
    browser.shot("9-sold-out").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_sale_opens_under_the_eyes_of_who_waits() {
    for kind in [Kind::Desk, Kind::Scriptless] {
        let shop = Plan::default().start().await;
        shop.import(&SALE.replace("\"+0s\"", "\"+10s\"")).await;
        let browser = Browser::open(&shop.url, kind).await;
        browser.goto("/sales/run/products/cap").await;
        browser.until_says("form.choose button", "Opens").await;
        let button = Locator::Css("form.choose button");
        assert!(!browser.driver.find(button).await.unwrap().is_enabled().await.unwrap());
        if kind == Kind::Desk {
            browser.until_says(".phase", "in").await;
            browser.until_says(".phase time", "0:0").await;
            browser.driver.execute("window.waited = true", Vec::new()).await.unwrap();
        }
        browser.shot("10-before").await;
        browser.until_says("form.choose button", "Add to cart").await;
        assert!(browser.driver.find(button).await.unwrap().is_enabled().await.unwrap());
        if kind == Kind::Desk {
            let waited = browser.driver.execute("return window.waited", Vec::new()).await.unwrap();
            assert_eq!(waited, true, "the page was loaded anew, as everybody's would be");
            // Pressed while the stock may still be opening: it is asked for again by itself.
            browser.click("form.choose button").await;
            browser.until_says("[data-won]", "Yours: 1 × One size.").await;
        }
        shop.until_open("run").await;
        browser.close().await;
        shop.close().await;
    }
}

#[tokio::test]
async fn the_last_pair_is_won_although_the_reply_was_lost() {
    let shop = Shop::open().await;
    let browser = Browser::open(&shop.url, Kind::Phone).await;
    browser.goto("/sales/run/products/runner-one").await;
    // The server does what it is asked, and its first two answers never arrive.
    let lossy = "const real = window.fetch; let lost = 0;
        window.fetch = async (url, options) => {
            const reply = await real(url, options);
            if (options?.method === 'PUT' && lost++ < 2) throw new TypeError('lost');
            return reply;
        };";
    browser.driver.execute(lossy, Vec::new()).await.unwrap();
    browser.click("input[value='RUN1-43']").await;
    browser.click("form.choose button").await;
    browser.until_says("[data-won]", "Yours: 1 × EU 43.").await;
    browser.until_says("[data-badge]", "1").await;
    browser.goto("/sales/run/cart").await;
    browser.until_says(".lines", "Runner One – EU 43").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_clock_that_is_hours_wrong_opens_nothing() {
    let shop = Plan::default().start().await;
    shop.import(&SALE.replace("\"+0s\"", "\"+20s\"")).await;
    let browser = Browser::open(&shop.url, Kind::Desk).await;
    let wrong = "const now = Date.now.bind(Date); Date.now = () => now() + 7200000;";
    let wrong = serde_json::json!({ "source": wrong });
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", wrong).await;
    browser.goto("/sales/run/products/cap").await;
    browser.until_says("form.choose button", "Opens in 0:1").await;
    let button = Locator::Css("form.choose button");
    assert!(!browser.driver.find(button).await.unwrap().is_enabled().await.unwrap());
    browser.until_says("form.choose button", "Add to cart").await;
    browser.click("form.choose button").await;
    browser.until_says("[data-won]", "Yours: 1 × One size.").await;
    browser.until_says("[data-won]", "Kept for you: 9:5").await;
    shop.until_open("run").await;
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn a_pair_is_won_on_a_bad_train_connection() {
    let shop = Shop::open().await;
    let browser = Browser::open(&shop.url, Kind::Phone).await;
    browser.slow_down(600).await;
    browser.goto("/sales/run/products/runner-one").await;
    let took = "const began = performance.now();
        const done = arguments[0];
        fetch('/favicon.ico', { cache: 'no-store' }).then(() => done(performance.now() - began))";
    let took = browser.driver.execute_async(took, Vec::new()).await.unwrap();
    assert!(took.as_f64().unwrap() >= 600.0, "the network is not slow: {took} ms");
    browser.click("input[value='RUN1-43']").await;
    browser.click("form.choose button").await;
    browser.until_says("form.choose button", "Adding").await;
    browser.until_says("[data-won]", "Yours: 1 × EU 43.").await;
    browser.looks("train").await;
    browser.close().await;
    shop.close().await;
}
