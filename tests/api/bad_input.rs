//! What must not be taken, and what is said about it.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{at_fault, plain, put_raw};
use crate::harness::{PATIENCE, Plan, SALE, Shop, client::checkout_body};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_quantity_is_a_whole_number_and_nothing_else() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    for bad in ["-1", "1.5", "1e30", "99999999999999999999", "\"1\"", "null", "[1]", "{}", "true"] {
        let reply = put_raw(&shop, &shopper, JSON, format!("{{\"quantity\": {bad}}}")).await;
        let problem = reply.expect(422, "invalid_request");
        assert_eq!(at_fault(&problem), ["quantity"], "{bad}");
    }
    let missing = put_raw(&shop, &shopper, JSON, "{}").await;
    assert_eq!(at_fault(&missing.expect(422, "invalid_request")), ["quantity"]);
    let extra = put_raw(&shop, &shopper, JSON, r#"{"quantity":1,"colour":"red"}"#).await;
    assert_eq!(at_fault(&extra.expect(422, "invalid_request")), ["colour"]);
    let huge = put_raw(&shop, &shopper, JSON, r#"{"quantity":1e999}"#).await;
    huge.expect(422, "invalid_request");
    let held = shopper.cart().await.body;
    assert_eq!(held["lines"], json!([]), "nothing was taken on the way");
    shop.close().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_told_apart_from_a_wrong_one() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let deep = "[".repeat(8_000);
    let deep_inside = format!("{{\"quantity\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for bad in ["", "{", "{\"quantity\":1", "quantity=1", "\u{0}", &deep, &deep_inside] {
        put_raw(&shop, &shopper, JSON, bad.to_owned()).await.expect(400, "invalid_request");
    }
    for odd in ["[1]", "1", "\"quantity\"", "null"] {
        put_raw(&shop, &shopper, JSON, odd).await.expect(422, "invalid_request");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let reply = put_raw(&shop, &shopper, kind, r#"{"quantity":1}"#).await;
        reply.expect(415, "unsupported_media_type");
    }
    let spelt = put_raw(&shop, &shopper, "Application/JSON; charset=utf-8", r#"{"quantity":0}"#);
    assert_eq!(spelt.await.status, 200);
    shop.close().await;
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_whether_it_says_so_or_not() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let large = vec![b' '; 10 * 1024 * 1024];
    put_raw(&shop, &shopper, JSON, large).await.expect(413, "too_large");

    let mut stream = TcpStream::connect(shop.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "PUT /api/v1/sales/run/cart/lines/CAP HTTP/1.1\r\nhost: shop\r\ncontent-type: {JSON}\r\n\
         authorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        shopper.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..160 {
        // Nobody reads to the end what is refused at the beginning.
        if stream.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut reply = vec![0; 12];
    if stream.read_exact(&mut reply).await.is_ok() {
        assert_eq!(reply, b"HTTP/1.1 413");
    }
    assert_eq!(shopper.put("CAP", 1).await.status, 201, "and the shop goes on");
    shop.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found_however_it_is_spelt() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let long = "a".repeat(10_000);
    let slugs =
        ["nothing", "RUN", "%00", "run%00", "a%2Fb", "%C3%BC", "%ff", "..", "run%20", &long];
    for slug in slugs {
        for path in ["", "/stock", "/cart"] {
            let reply = shopper.get(&format!("/sales/{slug}{path}")).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (404, "not_found"), "{slug}{path}");
        }
    }
    for sku in ["NOPE", "CAP%00", "CA%20P", "%F0%9F%91%9F", &long] {
        let reply = shopper.put(sku, 1).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (404, "not_found"), "{sku}");
    }
    for order in ["ord_1", "ord_00000000000000000000000000000000", "shp_1", "%00"] {
        let reply = shopper.get(&format!("/orders/{order}")).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (404, "not_found"), "{order}");
    }
    for path in ["/api", "/api/v1", "/api/v1/", "/api/v1/sales/", "/api/v2/sales", "/images/x"] {
        plain(&shop, "GET", path).await.expect(404, "not_found");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_wrong_verb_is_told_which_ones_there_are() {
    let shop = Shop::open().await;
    for (verb, path, allow) in [
        ("POST", "/api/v1/sales", "GET, HEAD"),
        ("GET", "/api/v1/session", "POST"),
        ("PATCH", "/api/v1/sales/run/cart/lines/CAP", "PUT, DELETE"),
        ("GET", "/api/v1/sales/run/checkout", "POST"),
        ("DELETE", "/api/v1/orders", "GET, HEAD"),
        ("PUT", "/sales/run/cart", "GET, HEAD, POST"),
        ("BREW", "/api/v1/sales/run", "GET, HEAD"),
    ] {
        let reply = plain(&shop, verb, path).await;
        reply.expect(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), allow, "{verb} {path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_checkout_names_every_field_at_fault() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    shopper.put("CAP", 1).await;
    let ask = |body: Value| shopper.ask(Method::POST, "/sales/run/checkout", Some("k"), Some(body));
    let empty = ask(json!({})).await.unwrap();
    assert_eq!(empty.status, 422);
    assert_eq!(at_fault(&empty.body), ["email", "shipping", "payment"]);

    let long = "x".repeat(201);
    for (field, value) in [
        ("email", json!("nobody")),
        ("email", json!("a@b")),
        ("email", json!(format!("{}@example.org", "a".repeat(300)))),
        ("email", json!("a\u{0}@example.org")),
        ("email", json!(1)),
        ("shipping.name", json!(" ")),
        ("shipping.line1", json!(long)),
        ("shipping.city", json!("Ber\nlin")),
        ("shipping.postal_code", json!(null)),
        ("shipping.country", json!("XX")),
        ("shipping.country", json!("Germany")),
        ("payment.method", json!("gold")),
        ("cart_version", json!(long)),
    ] {
        let mut body = checkout_body("card_ok");
        match field.split_once('.') {
            Some((object, inner)) => body[object][inner] = value.clone(),
            None => body[field] = value.clone(),
        }
        let reply = ask(body).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.code()), (422, "invalid_request"), "{field}");
        assert_eq!(at_fault(&reply.body), [field], "{value}");
    }
    let mut extra = checkout_body("card_ok");
    extra["shipping"]["planet"] = json!("Mars");
    assert_eq!(at_fault(&ask(extra).await.unwrap().body), ["shipping.planet"]);
    shop.close().await;
}

#[tokio::test]
async fn a_key_is_short_visible_text() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let body = || Some(checkout_body("card_ok"));
    let missing = shopper.ask(Method::POST, "/sales/run/checkout", None, body()).await.unwrap();
    assert_eq!((missing.status.as_u16(), missing.code()), (400, "invalid_request"));
    for bad in ["", "two words", &"k".repeat(256)] {
        let reply = shopper.ask(Method::POST, "/sales/run/checkout", Some(bad), body()).await;
        assert_eq!(reply.unwrap().status, 400, "{bad:?}");
    }
    shop.close().await;
}

#[tokio::test]
async fn what_is_no_http_does_not_disturb_the_shop() {
    let shop = Shop::open().await;
    let address = shop.url.trim_start_matches("http://");
    for noise in ["\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET \u{fc} HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(noise.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        let reply = String::from_utf8_lossy(&reply);
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400"), "{noise:?}: {reply}");
    }
    assert_eq!(plain(&shop, "GET", "/api/v1/sales").await.status, 200);
    shop.close().await;
}

#[tokio::test]
async fn who_dawdles_is_not_waited_for() {
    let shop = Plan::default().with("STAMPEDE_WEB__HEAD_TIMEOUT", "1s").start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let token = shop.shopper().await.token;
    let address = shop.url.trim_start_matches("http://");
    let said = async |begun: String| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        // the rest never comes
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut reply)).await;
        ended.expect("the connection is closed").unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    };
    let put = "PUT /api/v1/sales/run/cart/lines/CAP HTTP/1.1\r\nhost: shop\r\n";
    let body = format!(
        "{put}authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: 15\r\n\r\n{{\"quan"
    );
    let (head, body) = tokio::join!(said(put.to_owned()), said(body));
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 400"), "{body}");
    assert!(body.contains("\"invalid_request\""), "{body}");
    assert_eq!(plain(&shop, "GET", "/api/v1/sales").await.status, 200);
    shop.close().await;
}
