//! What other sites, proxies' headers and frames may not do.

use reqwest::{Client as Http, redirect::Policy};

use super::Raw;
use crate::harness::{Plan, SALE, Shop};

async fn ask(shop: &Shop, path: &str, headers: &[(&str, &str)]) -> Raw {
    let http = Http::builder().redirect(Policy::none()).build().unwrap();
    let mut request = http.get(format!("{}{path}", shop.url)).header("accept", "text/html");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Raw::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_kept_page_says_nothing_that_a_request_s_headers_said() {
    let shop = Shop::open().await;
    for path in ["/", "/sales/run", "/sales/run/products/cap"] {
        let forged = [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "evil"),
            ("x-original-url", "/evil.example"),
            ("forwarded", "host=evil.example"),
            ("referer", "https://evil.example/"),
            ("user-agent", "evil.example"),
        ];
        let poisoned = ask(&shop, path, &forged).await;
        assert_eq!(poisoned.status, 200, "{path}");
        assert!(!poisoned.text.contains("evil.example"), "{path}");
        let next = ask(&shop, path, &[]).await;
        assert!(!next.text.contains("evil.example"), "{path}");
        assert_eq!(next.header("vary"), "accept-encoding", "{path}: one copy for everyone");
    }
    shop.close().await;
}

#[tokio::test]
async fn no_page_stands_in_a_frame_or_loads_from_elsewhere() {
    let shop = Shop::open().await;
    for path in ["/", "/sales/run", "/sales/run/products/cap", "/sales/run/cart", "/nowhere"] {
        let page = ask(&shop, path, &[]).await;
        let policy = page.header("content-security-policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin", "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let shop = Shop::open().await;
    for path in [
        "//evil.example",
        "//evil.example/sales/run",
        "/sales/run/cart?next=https://evil.example",
        "/sales/run/checkout?return=//evil.example",
        "/sales/..%2f..%2fevil.example",
        "/docs?url=https://evil.example",
        "/%2f%2fevil.example",
        "/sales/run/products/cap%0d%0alocation:%20https:%2f%2fevil.example",
    ] {
        let reply = ask(&shop, path, &[]).await;
        assert!(!reply.header("location").contains("evil.example"), "{path}");
        assert!(!reply.text.contains("evil.example"), "{path}: {}", reply.text);
    }
    shop.close().await;
}

/// A page of a subdomain may set cookies for the whole domain, but none whose name begins with
/// `__Host-`.
#[tokio::test]
async fn behind_tls_a_subdomain_cannot_put_its_own_shopper_in_the_shop() {
    let shop =
        Plan::default().with("STAMPEDE_WEB__PUBLIC_URL", "https://shop.example").start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let token = shop.shopper().await.token;
    let cart = async |cookie: String| {
        let request = Http::new().get(format!("{}/api/v1/sales/run/cart", shop.url));
        Raw::of(request.header("cookie", cookie).send().await.unwrap()).await.status
    };
    assert_eq!(cart(format!("__Host-stampede_session={token}")).await, 200);
    assert_eq!(cart(format!("stampede_session={token}")).await, 401);
    let posted = Http::builder().redirect(Policy::none()).build().unwrap();
    let posted = posted
        .post(format!("{}/sales/run/products/cap", shop.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("sku=CAP&quantity=1");
    let set = Raw::of(posted.send().await.unwrap()).await;
    let cookie = set.header("set-cookie");
    assert!(cookie.starts_with("__Host-stampede_session="), "{cookie}");
    for mark in ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"] {
        assert!(cookie.contains(mark), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    shop.close().await;
}
