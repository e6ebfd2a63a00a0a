//! Who the shopper is.

use reqwest::Client as Http;

use super::Raw;
use crate::harness::{Plan, SALE, Shop};

async fn cart_with(shop: &Shop, header: &str, value: &str) -> Raw {
    let request = Http::new().get(format!("{}/api/v1/sales/run/cart", shop.url));
    Raw::of(request.header(header, value).send().await.unwrap()).await
}

#[tokio::test]
async fn a_token_is_taken_from_the_header_and_from_the_cookie() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    assert!(shopper.shopper.starts_with("shp_"));
    let token = &shopper.token;
    assert_eq!(cart_with(&shop, "authorization", &format!("Bearer {token}")).await.status, 200);
    let cookie = format!("other=1; stampede_session={token}");
    assert_eq!(cart_with(&shop, "cookie", &cookie).await.status, 200);
    shop.close().await;
}

#[tokio::test]
async fn a_token_that_nobody_here_signed_is_refused() {
    let shop = Shop::open().await;
    let elsewhere = Plan::default()
        .roles(&[])
        .with("STAMPEDE_WEB__SECRET", "quite another secret as long as the first")
        .start()
        .await;
    let foreign = elsewhere.shopper().await.token;
    let token = shop.shopper().await.token;
    let forged = token.replacen(token.chars().next().unwrap(), "_", 1);
    let bad = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}", &token[..40]),
        format!("Bearer {forged}"),
        format!("Bearer {foreign}"),
        format!("Basic {token}"),
    ];
    for header in bad {
        let reply = cart_with(&shop, "authorization", &header).await;
        reply.expect(401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    cart_with(&shop, "x-nothing", "1").await.expect(401, "unauthorized");
    cart_with(&shop, "cookie", "stampede_session=x").await.expect(401, "unauthorized");
    elsewhere.close().await;
    shop.close().await;
}

#[tokio::test]
async fn an_older_secret_is_honoured_until_it_is_taken_out() {
    let (old, new) =
        ("the old secret which is long enough too", "the new secret just as long as the old");
    let start =
        |secret: String| Plan::default().roles(&[]).with("STAMPEDE_WEB__SECRET", &secret).start();
    let new = format!("{new} and then some");
    let before = start(old.to_owned()).await;
    let token = before.shopper().await.token;
    before.close().await;
    for (secret, status) in [(format!("{new},{old}"), 200), (new.clone(), 401)] {
        let shop = start(secret).await;
        let request = Http::new().get(format!("{}/api/v1/orders", shop.url)).bearer_auth(&token);
        assert_eq!(request.send().await.unwrap().status(), status);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_cookie_is_worth_nothing_when_another_site_sends_it() {
    let shop = Plan::default().start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let token = shop.shopper().await.token;
    let put = |headers: &[(&str, &str)]| {
        let request = Http::new()
            .put(format!("{}/api/v1/sales/run/cart/lines/CAP", shop.url))
            .header("content-type", "application/json")
            .body(r#"{"quantity":1}"#);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        async { Raw::of(request.send().await.unwrap()).await }
    };
    let cookie = format!("stampede_session={token}");
    put(&[("cookie", &cookie), ("sec-fetch-site", "cross-site")]).await.expect(403, "forbidden");
    put(&[("cookie", &cookie), ("origin", "https://evil.example")]).await.expect(403, "forbidden");
    let own = put(&[("cookie", &cookie), ("origin", &shop.url)]).await;
    assert_eq!(own.status, 201, "{}", own.text);
    // A program that holds the token sent it on purpose.
    let bearer = format!("Bearer {token}");
    let program = put(&[("authorization", &bearer), ("origin", "https://partner.example")]).await;
    assert_eq!(program.status, 200, "{}", program.text);
    shop.close().await;
}
