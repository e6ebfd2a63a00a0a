//! What is the same for everyone, and may be kept by a cache.

use reqwest::Client as Http;
use serde_json::json;

use super::{Raw, plain};
use crate::harness::{Plan, SALE, Shop, until};

const PUBLIC: [&str; 6] = [
    "/",
    "/sales/run",
    "/sales/run/products/cap",
    "/api/v1/sales",
    "/api/v1/sales/run",
    "/api/v1/sales/run/stock",
];

#[tokio::test]
async fn a_sale_is_shown_with_its_times_products_and_prices() {
    let shop = Shop::open().await;
    let one = plain(&shop, "GET", "/api/v1/sales/run").await.json();
    for (field, value) in [
        ("slug", json!("run")),
        ("title", json!("Night Run")),
        ("phase", json!("open")),
        ("currency", json!("EUR")),
        ("hold_seconds", json!(600)),
        ("limit_per_shopper", json!(4)),
    ] {
        assert_eq!(one[field], value, "{field}");
    }
    for time in ["starts_at", "ends_at", "server_time"] {
        assert!(one[time].as_str().unwrap().ends_with('Z'), "{time}");
    }
    assert_eq!(one["products"][0]["limit_per_shopper"], 2);
    let sku =
        json!({"sku": "CAP", "label": "One size", "price": {"amount": 1950, "currency": "EUR"}});
    assert_eq!(one["products"][1]["skus"][0], sku);
    let all = plain(&shop, "GET", "/api/v1/sales").await.json();
    assert_eq!(all["sales"][0]["products"], one["products"]);
    shop.close().await;
}

#[tokio::test]
async fn stock_follows_what_is_taken() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    shopper.put("RUN1-42", 2).await;
    until("the counts move", || async {
        let stock = plain(&shop, "GET", "/api/v1/sales/run/stock").await.json();
        stock["RUN1-42"] == json!({"available": 48, "held": 2, "sold": 0})
    })
    .await;
    shopper.checkout("k", "card_ok").await;
    until("the counts move", || async {
        let stock = plain(&shop, "GET", "/api/v1/sales/run/stock").await.json();
        stock["RUN1-42"] == json!({"available": 48, "held": 0, "sold": 2})
    })
    .await;
    shop.close().await;
}

#[tokio::test]
async fn public_replies_carry_nothing_of_the_shopper() {
    let shop = Shop::open().await;
    let token = shop.shopper().await.token;
    for path in PUBLIC {
        let request = Http::new()
            .get(format!("{}{path}", shop.url))
            .header("cookie", format!("stampede_session={token}"));
        let reply = Raw::of(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            reply.header("cache-control").starts_with("public, max-age=1, s-maxage=1"),
            "{path}"
        );
        assert!(reply.headers.get("set-cookie").is_none(), "{path}");
        assert_eq!(reply.header("vary"), "accept-encoding", "{path}: nothing else matters");
        assert!(!reply.text.contains(&token), "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn who_has_the_bytes_is_not_sent_them_again() {
    let shop = Shop::open().await;
    // Server time moves every second; these do not.
    for path in ["/", "/sales/run", "/sales/run/products/cap", "/api/v1/sales/run/stock"] {
        let first = plain(&shop, "GET", path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 20, "{path}: {tag}");
        let again = Http::new().get(format!("{}{path}", shop.url)).header("if-none-match", &tag);
        let again = Raw::of(again.send().await.unwrap()).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), tag);
        let other = Http::new().get(format!("{}{path}", shop.url)).header("if-none-match", "\"x\"");
        assert_eq!(other.send().await.unwrap().status(), 200, "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn every_client_gets_the_encoding_that_it_takes() {
    let shop = Shop::open().await;
    for path in ["/", "/sales/run", "/sales/run/products/cap", "/api/v1/openapi.json"] {
        let mut sizes = Vec::new();
        for (accept, encoding) in [("identity", ""), ("gzip", "gzip"), ("gzip, br", "br")] {
            let ask = |known: &str| {
                let request = Http::new().get(format!("{}{path}", shop.url));
                let request = request.header("accept-encoding", accept);
                let request = request.header("if-none-match", known.to_owned()).send();
                async { request.await.unwrap() }
            };
            let reply = ask("\"x\"").await;
            let header = |name: &str| {
                reply.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
            };
            assert_eq!(header("content-encoding"), encoding, "{path}");
            assert_eq!(header("vary"), "accept-encoding", "{path}");
            let tag = header("etag");
            assert!(tag.starts_with('"'), "a strong tag: {tag}");
            assert_eq!(ask(&tag).await.status(), 304, "{path} {accept}");
            sizes.push(reply.bytes().await.unwrap().len());
        }
        assert!(sizes.is_sorted_by(|larger, smaller| larger > smaller), "{path}: {sizes:?}");
    }
    shop.close().await;
}

#[tokio::test]
async fn head_says_what_get_would() {
    let shop = Shop::open().await;
    for path in PUBLIC {
        let (get, head) = (plain(&shop, "GET", path).await, plain(&shop, "HEAD", path).await);
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.text.len().to_string(), "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn every_reply_says_which_request_it_answers() {
    let shop = Shop::open().await;
    let ask = |id: &'static str| {
        let request =
            Http::new().get(format!("{}/api/v1/sales", shop.url)).header("x-request-id", id);
        async { Raw::of(request.send().await.unwrap()).await.header("x-request-id").to_owned() }
    };
    assert_eq!(ask("proxy-1.a_B").await, "proxy-1.a_B");
    for odd in ["", "with blanks", "<script>"] {
        assert_eq!(ask(odd).await.len(), 16, "{odd}");
    }
    assert_ne!(ask("").await, ask("").await);
    shop.close().await;
}

#[tokio::test]
async fn browsers_are_told_what_a_page_may_do() {
    let shop = Shop::open().await;
    let page = plain(&shop, "GET", "/sales/run").await;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert!(!page.text.contains("<style") && !page.text.contains(" style="));
    assert!(!page.text.contains("onclick") && !page.text.contains("<script>"));
    for (attribute, kind) in
        [("href=\"/assets/", "text/css"), ("src=\"/assets/", "text/javascript")]
    {
        let from = page.text.find(attribute).unwrap() + attribute.len();
        let name = page.text[from..].split('"').next().unwrap();
        let asset = plain(&shop, "GET", &format!("/assets/{name}")).await;
        assert_eq!(asset.status, 200, "{name}");
        assert!(asset.header("content-type").starts_with(kind), "{name}");
        assert!(asset.header("cache-control").contains("immutable"), "{name}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_person_reads_errors_as_pages_and_a_program_as_json() {
    let shop = Shop::open().await;
    let ask = |path: &str| {
        let request = Http::new().get(format!("{}{path}", shop.url)).header("accept", "text/html");
        async { Raw::of(request.send().await.unwrap()).await }
    };
    for path in ["/nothing", "/sales/nothing", "/sales/run/products/nothing", "/orders/ord_1"] {
        let page = ask(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.text.contains("<h1>Not found</h1>"), "{path}");
    }
    ask("/api/v1/nothing").await.expect(404, "not_found");
    plain(&shop, "GET", "/nothing").await.expect(404, "not_found");
    shop.close().await;
}

#[tokio::test]
async fn requests_are_counted_by_the_table_of_routes_and_nothing_else() {
    let shop = Shop::open().await;
    for path in ["/api/v1/sales/run", "/api/v1/sales/nothing", "/a", "/b"] {
        plain(&shop, "GET", path).await;
    }
    plain(&shop, "BREW", "/api/v1/sales/run").await;
    let figures = String::from_utf8(shop.app.metrics.render().unwrap()).unwrap();
    for (method, route, status, count) in [
        ("GET", "/api/v1/sales/{sale}", 200, 1),
        ("GET", "/api/v1/sales/{sale}", 404, 1),
        ("other", "/api/v1/sales/{sale}", 405, 1),
        ("GET", "none", 404, 2),
    ] {
        let line = format!(
            "stampede_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}\n"
        );
        assert!(figures.contains(&line), "{line}{figures}");
    }
    assert!(figures.contains("stampede_http_request_duration_seconds_bucket{method=\"GET\""));
    shop.close().await;
}

#[tokio::test]
async fn search_engines_are_told_what_there_is_under_the_shop_s_own_address() {
    let shop = Shop::open().await;
    let rules = plain(&shop, "GET", "/robots.txt").await;
    assert!(rules.text.contains("Disallow: /orders/") && !rules.text.contains("Sitemap"));
    plain(&shop, "GET", "/sitemap.xml").await.expect(404, "not_found");
    shop.close().await;

    let address = "https://shop.example/";
    let shop = Plan::default().with("STAMPEDE_WEB__PUBLIC_URL", address).start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let rules = plain(&shop, "GET", "/robots.txt").await.text;
    assert!(rules.contains("Sitemap: https://shop.example/sitemap.xml\n"), "{rules}");
    let map = plain(&shop, "GET", "/sitemap.xml").await;
    assert_eq!(map.header("content-type"), "application/xml");
    for path in ["/", "/sales/run", "/sales/run/products/runner-one", "/sales/run/products/cap"] {
        let entry = format!("<loc>https://shop.example{path}</loc>");
        assert!(map.text.contains(&entry), "{entry}: {}", map.text);
    }
    shop.close().await;
}

#[tokio::test]
async fn a_search_finds_says_what_it_did_not_find_and_refuses_nonsense() {
    let shop = Shop::open().await;
    let search = async |query: &str| plain(&shop, "GET", &format!("/search{query}")).await;
    for query in ["?q=runer", "?q=RUNNER+one", "?x=1&q=run"] {
        let page = search(query).await;
        assert_eq!(page.status, 200, "{query}");
        assert!(page.text.contains("/sales/run/products/runner-one"), "{query}");
        assert!(!page.text.contains("/sales/run/products/cap"), "{query}");
    }
    assert!(search("?q=wheelbarrow").await.text.contains("Nothing on sale is called"));
    for query in ["", "?q=", "?q=%20%26", "?q=%00%ff", "?other=1"] {
        let page = search(query).await;
        assert_eq!(page.status, 200, "{query}");
        assert!(page.text.contains("Type a word"), "{query}: {}", page.text);
    }
    let long = search(&format!("?q={}", "x".repeat(65))).await;
    assert!(long.text.contains("at most 64 characters"), "{}", long.text);
    let markup = search("?q=%3Cscript%3Ealert(1)").await;
    assert!(!markup.text.contains("<script>alert"), "{}", markup.text);
    shop.close().await;
}

#[tokio::test]
async fn a_sale_that_is_over_is_gone_and_still_says_what_it_was() {
    let shop = Plan::default().start().await;
    shop.import(&SALE.replace("\"+30d\"", "\"+2s\"")).await;
    shop.until_open("run").await;
    until("it is over", || async { plain(&shop, "GET", "/sales/run").await.status == 410 }).await;
    for (path, title) in [("/sales/run", "Night Run"), ("/sales/run/products/cap", "Cap")] {
        let page = plain(&shop, "GET", path).await;
        assert_eq!(page.status, 410, "{path}");
        assert!(page.header("cache-control").starts_with("public"), "{path}");
        assert!(page.text.contains(title) && page.text.contains("Ended"), "{path}");
    }
    let found = plain(&shop, "GET", "/search?q=cap").await;
    assert!(!found.text.contains("/products/cap"), "nobody looks for what is over");
    assert_eq!(plain(&shop, "GET", "/api/v1/sales/run").await.json()["phase"], "ended");
    shop.close().await;
}
