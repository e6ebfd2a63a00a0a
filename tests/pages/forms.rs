//! The pages' forms, as a program sees them: redirects, cookies, refusals.

use reqwest::{Client as Http, Response, redirect::Policy};

use crate::harness::Shop;

const PRODUCT: &str = "/sales/run/products/runner-one";
const ONE: [(&str, &str); 2] = [("sku", "RUN1-43"), ("quantity", "1")];

fn http() -> Http {
    Http::builder().redirect(Policy::none()).build().unwrap()
}

fn header<'a>(reply: &'a Response, name: &str) -> &'a str {
    reply.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn get(shop: &Shop, path: &str, cookie: &str) -> Response {
    http().get(format!("{}{path}", shop.url)).header("cookie", cookie).send().await.unwrap()
}

async fn post(
    shop: &Shop,
    path: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> Response {
    let mut request = http()
        .post(format!("{}{path}", shop.url))
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut body = form_urlencoded::Serializer::new(String::new());
    request.body(body.extend_pairs(form).finish()).send().await.unwrap()
}

/// A visitor's first pair in the cart; gives the cookie with its attributes.
async fn first(shop: &Shop) -> String {
    let reply = post(shop, PRODUCT, &[("sec-fetch-site", "same-origin")], &ONE).await;
    assert_eq!((reply.status().as_u16(), header(&reply, "location")), (303, "/sales/run/cart"));
    header(&reply, "set-cookie").to_owned()
}

#[tokio::test]
async fn the_first_pair_in_the_cart_makes_a_shopper() {
    let shop = Shop::open().await;
    let cookie = first(&shop).await;
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let own = cookie.split(';').next().unwrap();
    let again = post(&shop, PRODUCT, &[("cookie", own)], &ONE).await;
    assert_eq!((again.status().as_u16(), header(&again, "set-cookie")), (303, ""));
    let cap = [("sku", "CAP"), ("quantity", "1")];
    let behind_tls = post(&shop, PRODUCT, &[("x-forwarded-proto", "https")], &cap).await;
    assert!(header(&behind_tls, "set-cookie").contains("Secure"));
    let cart = get(&shop, "/sales/run/cart", own).await;
    assert_eq!(header(&cart, "cache-control"), "no-store");
    assert!(cart.text().await.unwrap().contains("Runner One – EU 43"));
    shop.close().await;
}

#[tokio::test]
async fn another_site_s_form_is_refused() {
    let shop = Shop::open().await;
    let cookie = first(&shop).await;
    let own = cookie.split(';').next().unwrap();
    let evil = ("origin", "https://evil.example");
    for from in [("sec-fetch-site", "cross-site"), evil, ("origin", "null")] {
        for path in [PRODUCT, "/sales/run/cart", "/sales/run/checkout"] {
            let reply = post(&shop, path, &[("cookie", own), from], &ONE).await;
            assert_eq!(reply.status().as_u16(), 403, "{path} {from:?}");
            assert_eq!(header(&reply, "set-cookie"), "");
        }
    }
    let stranger = post(&shop, PRODUCT, &[evil], &ONE).await;
    assert_eq!(stranger.status().as_u16(), 403, "nor is a shopper made for it");
    shop.close().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_on_the_same_page() {
    let shop = Shop::open().await;
    first(&shop).await;
    let gone = post(&shop, PRODUCT, &[], &ONE).await;
    assert_eq!(gone.status().as_u16(), 409);
    let page = gone.text().await.unwrap();
    assert!(
        page.contains("Sold out") && page.contains("<h1 dir=\"auto\">Runner One</h1>"),
        "{page}"
    );
    let of = |quantity| [("sku", "RUN1-42"), ("quantity", quantity)];
    let many = post(&shop, PRODUCT, &[], &of("3")).await;
    assert_eq!(many.status().as_u16(), 409);
    assert!(many.text().await.unwrap().contains("Limit reached"));
    for (quantity, status) in [("0", 303), ("-1", 422), ("many", 422), ("", 422)] {
        let reply = post(&shop, PRODUCT, &[], &of(quantity)).await;
        assert_eq!(reply.status().as_u16(), status, "{quantity}");
        assert!(status == 303 || header(&reply, "content-type").starts_with("text/html"));
    }
    shop.close().await;
}

/// The form of the checkout page, filled in.
fn filled(page: &str, email: &str) -> Vec<(&'static str, String)> {
    let hidden = |name: &str| {
        let before = format!("name=\"{name}\" value=\"");
        let from = page.find(&before).unwrap() + before.len();
        page[from..].split('"').next().unwrap().to_owned()
    };
    vec![
        ("idempotency_key", hidden("idempotency_key")),
        ("cart_version", hidden("cart_version")),
        ("email", email.to_owned()),
        ("shipping.name", "Ada <b>".to_owned()),
        ("shipping.line1", "Street 1".to_owned()),
        ("shipping.postal_code", "10115".to_owned()),
        ("shipping.city", "Berlin".to_owned()),
        ("shipping.country", "DE".to_owned()),
        ("payment.method", "card_ok".to_owned()),
    ]
}

#[tokio::test]
async fn a_checkout_form_keeps_what_was_typed_and_names_what_is_wrong() {
    let shop = Shop::open().await;
    let cookie = first(&shop).await;
    let own = cookie.split(';').next().unwrap();
    let path = "/sales/run/checkout";
    let send = async |form: &[(&'static str, String)]| {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post(&shop, path, &[("cookie", own)], &form).await
    };
    let page = get(&shop, path, own).await.text().await.unwrap();
    let wrong = send(&filled(&page, "nobody")).await;
    assert_eq!(wrong.status().as_u16(), 422);
    let page = wrong.text().await.unwrap();
    assert!(page.contains("id=\"email-fault\"") && page.contains("aria-invalid"), "{page}");
    assert!(page.contains("Ada &#60;b&#62;"), "what was typed is kept, and is no markup: {page}");
    let form = filled(&page, "ada@example.org");
    let paid = send(&form).await;
    let order = header(&paid, "location").to_owned();
    assert!(paid.status().as_u16() == 303 && order.starts_with("/orders/ord_"), "{order}");
    assert_eq!(header(&send(&form).await, "location"), order, "sent twice it is one order");
    assert_eq!(get(&shop, &order, own).await.status().as_u16(), 200);
    assert_eq!(get(&shop, &order, "").await.status().as_u16(), 404, "nobody else's");
    shop.close().await;
}

#[tokio::test]
async fn nobody_s_cart_is_empty_and_has_no_checkout() {
    let shop = Shop::open().await;
    let cart = get(&shop, "/sales/run/cart", "").await;
    assert!(cart.status().is_success());
    assert!(cart.text().await.unwrap().contains("There is nothing in it."));
    let checkout = get(&shop, "/sales/run/checkout", "").await;
    assert_eq!(
        (checkout.status().as_u16(), header(&checkout, "location")),
        (303, "/sales/run/cart")
    );
    shop.close().await;
}
