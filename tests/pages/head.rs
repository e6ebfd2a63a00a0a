//! What pages say of themselves, and what the script may ask for.

use reqwest::Client as Http;
use serde_json::Value;

use crate::harness::{Plan, SALE, Shop};

const PRODUCT: &str = "/sales/run/products/runner-one";
const ODD: &str = "</script><b>\u{5e0}\u{5e2}\u{5dc}</b> & 👟";

async fn page(shop: &Shop, path: &str) -> String {
    let lies = Http::new().get(format!("{}{path}", shop.url)).header("accept", "text/html");
    let lies = lies.header("x-forwarded-host", "evil.example").header("host", "evil.example");
    lies.send().await.unwrap().text().await.unwrap()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let from = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    text[from..].split(after).next().unwrap()
}

fn odd_sale() -> String {
    let titled = SALE.replace("title = \"Runner One\"", &format!("title = \"{ODD}\""));
    titled.replace("currency = ", "accent = \"#ffd400\"\ncurrency = ")
}

#[tokio::test]
async fn a_product_tells_what_it_is_under_the_address_of_the_settings_alone() {
    let plan = Plan::default().with("STAMPEDE_WEB__PUBLIC_URL", "https://shop.example/");
    let shop = plan.start().await;
    shop.import(&odd_sale()).await;
    shop.until_open("run").await;
    let html = page(&shop, PRODUCT).await;
    assert!(!html.contains("evil.example"), "{html}");
    let url = format!("https://shop.example{PRODUCT}");
    assert_eq!(between(&html, "rel=\"canonical\" href=\"", "\""), url);
    assert_eq!(between(&html, "property=\"og:url\" content=\"", "\""), url);
    let data = between(&html, "<script type=\"application/ld+json\">", "</script>");
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["name"], ODD);
    let offer = &data["offers"];
    assert_eq!((&offer["price"], &offer["priceCurrency"]), (&"129.00".into(), &"EUR".into()));
    assert_eq!(offer["availability"], "https://schema.org/InStock");
    assert_eq!(html.matches("</script>").count(), 2, "the title is no markup");
    shop.close().await;
}

#[tokio::test]
async fn without_an_address_in_the_settings_no_page_makes_one_up() {
    let shop = Shop::open().await;
    for path in ["/", "/sales/run", PRODUCT] {
        let html = page(&shop, path).await;
        assert!(!html.contains("evil.example") && !html.contains("canonical"), "{html}");
        assert!(html.contains("<meta name=\"description\""), "{html}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_sale_s_colour_is_a_stylesheet_of_its_own() {
    let shop = Plan::default().start().await;
    shop.import(&odd_sale()).await;
    let html = page(&shop, PRODUCT).await;
    assert!(html.contains("href=\"/assets/accent-ffd400.css\"") && !html.contains("style="));
    let style = reqwest::get(format!("{}/assets/accent-ffd400.css", shop.url)).await.unwrap();
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert!(style.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(style.text().await.unwrap().contains("--on-accent:#000000"));
    for name in ["accent-FFD400.css", "accent-ffd40.css", "accent-ffd400}.css"] {
        let none = reqwest::get(format!("{}/assets/{name}", shop.url)).await.unwrap();
        assert_eq!(none.status().as_u16(), 404, "{name}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_page_that_is_unchanged_keeps_its_policy() {
    let shop = Shop::open().await;
    let get = async |known: &str| {
        let request = Http::new().get(format!("{}{PRODUCT}", shop.url));
        request.header("if-none-match", known).send().await.unwrap()
    };
    let whole = get("").await;
    let policy = whole.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("style-src 'self'"), "{policy}");
    let same = get(whole.headers()["etag"].to_str().unwrap()).await;
    assert_eq!(same.status().as_u16(), 304);
    assert!(!same.headers().contains_key("content-security-policy"), "{:?}", same.headers());
    shop.close().await;
}

#[tokio::test]
async fn the_script_gets_a_session_as_a_cookie_and_nobody_else_does() {
    let shop = Shop::open().await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Http::new().post(format!("{}/api/v1/session", shop.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 201);
        let cookie = reply.headers().get("set-cookie");
        cookie.map(|cookie| cookie.to_str().unwrap().to_owned())
    };
    let own = ("sec-fetch-site", "same-origin");
    assert_eq!(ask(&[]).await, None);
    assert_eq!(ask(&[("sec-fetch-site", "cross-site")]).await, None);
    let cookie = ask(&[own]).await.unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let known = cookie.split(';').next().unwrap();
    assert_eq!(ask(&[own, ("cookie", known)]).await, None, "who is known stays who he is");
    shop.close().await;
}
