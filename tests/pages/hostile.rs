//! Sales that no merchant means to have, and that a page must survive.

use std::fmt::Write as _;

use super::browser::{Browser, Kind};
use crate::harness::{Plan, Shop};

const MARKUP: &str =
    "<img src=x onerror=\\\"window.hacked = 1\\\"><script>window.hacked = 1</script>";

async fn opened(file: &str) -> (Shop, Browser) {
    let shop = Plan::default().start().await;
    shop.import(file).await;
    shop.until_open("odd").await;
    let browser = Browser::open(&shop.url, Kind::Phone).await;
    (shop, browser)
}

fn sale(title: &str, currency: &str, products: &str) -> String {
    format!(
        "[sale]\nslug = \"odd\"\ntitle = \"{title}\"\ncurrency = \"{currency}\"\n\
         starts_at = \"+0s\"\nends_at = \"+1d\"\nhold = \"10m\"\nlimit_per_shopper = 4\n{products}"
    )
}

fn product(slug: &str, title: &str, skus: usize, price: &str) -> String {
    let mut text = format!("\n[[product]]\nslug = \"{slug}\"\ntitle = \"{title}\"\n");
    let _ = writeln!(text, "description = \"{title}\"");
    for n in 0..skus {
        let _ = write!(
            text,
            "\n[[product.sku]]\nsku = \"{slug}-{n}\"\nlabel = \"{n}\"\nprice = \"{price}\"\nstock = 5\n"
        );
    }
    text
}

async fn is_sound(browser: &Browser, name: &str) {
    browser.looks(name).await;
    let hacked = browser.driver.execute("return window.hacked === 1", Vec::new()).await.unwrap();
    assert_eq!(hacked, false, "{name}");
}

#[tokio::test]
async fn titles_of_markup_signs_and_other_directions() {
    let long = "Wheelbarrow".repeat(18);
    let products = [
        product("markup", MARKUP, 1, "14900"),
        product(
            "signs",
            "\u{1f45f}\u{1f3fd} \u{5d0}\u{5d1}\u{5d2} \u{627}\u{644} & \u{201c}<b>\u{201d}",
            2,
            "14900",
        ),
        product("long", &long, 2, "0"),
    ];
    let (shop, browser) = opened(&sale(MARKUP, "JPY", &products.concat())).await;
    browser.goto("/sales/odd").await;
    browser.until_says("h1", "<script>").await;
    browser.until_says(".cards", "\u{a5}14,900").await;
    is_sound(&browser, "odd-sale").await;
    for slug in ["markup", "signs", "long"] {
        browser.goto(&format!("/sales/odd/products/{slug}")).await;
        browser.click("label.tile").await;
        browser.click("form.choose button").await;
        browser.until_says("[data-won]", "Yours").await;
        is_sound(&browser, &format!("odd-{slug}")).await;
    }
    for path in ["/", "/sales/odd/cart", "/sales/odd/checkout", "/search?q=%3Cscript%3Ewindow"] {
        browser.goto(path).await;
        is_sound(&browser, "odd-other").await;
    }
    browser.close().await;
    shop.close().await;
}

#[tokio::test]
async fn three_hundred_skus_and_two_hundred_products() {
    let many: String =
        (0..200).map(|n| product(&format!("p{n}"), &format!("Pair {n}"), 1, "1.00")).collect();
    let products = product("wide", "All sizes", 300, "59.90") + &many;
    let (shop, browser) = opened(&sale("Everything", "EUR", &products)).await;
    browser.goto("/sales/odd").await;
    browser.until_says(".cards", "Pair 199").await;
    is_sound(&browser, "many-products").await;
    browser.goto("/sales/odd/products/wide").await;
    browser.until_says(".tiles", "299").await;
    is_sound(&browser, "many-skus").await;
    browser.click("input[value='wide-299']").await;
    browser.click("form.choose button").await;
    browser.until_says("[data-won]", "Yours: 1 × 299.").await;
    let page = reqwest::Client::new()
        .get(format!("{}/sales/odd/products/wide", shop.url))
        .header("accept-encoding", "gzip");
    let weight = page.send().await.unwrap().bytes().await.unwrap().len();
    assert!(weight <= 40_000, "the page alone has {weight} bytes");
    browser.close().await;
    shop.close().await;
}
