//! `/webhooks/stripe`: whom it believes, and what it keeps.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use sha2::Sha256;
use stampede::workers::Role;

use crate::harness::{Plan, Shop};

const NEW: &str = "whsec_new_of_the_tests_0123456789abcdef";
/// A name that no column of text can hold.
const NAMELESS: &[u8] = br#"{"id":"evt\u0000","type":"customer.created","data":{"object":{}}}"#;
const OLD: &str = "whsec_old_of_the_tests_0123456789abcdef";

fn signed(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let hex = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("t={at},v1={hex}")
}

impl Shop {
    async fn notify(&self, signature: Option<String>, body: &[u8]) -> StatusCode {
        let url = format!("{}/webhooks/stripe", self.url);
        let mut request = reqwest::Client::new().post(url).body(body.to_vec());
        if let Some(signature) = signature {
            request = request.header("Stripe-Signature", signature);
        }
        request.send().await.unwrap().status()
    }

    async fn kept(&self) -> i64 {
        let sql = "SELECT COUNT(*) FROM payment_notices";
        sqlx::query_scalar(sql).fetch_one(&self.app.pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_notice_is_believed_when_it_was_signed_lately_and_kept_once() {
    let plan = Plan::default().roles(&[Role::PaymentNotices]);
    let secrets = format!("{NEW},{OLD}");
    let shop = plan.with("STAMPEDE_STRIPE__WEBHOOK_SECRETS", &secrets).start().await;
    let now = shop.app.clock.now().timestamp();
    let body = br#"{"id":"evt_1","type":"customer.created","data":{"object":{}}}"#;
    for secret in [NEW, OLD] {
        assert_eq!(shop.notify(Some(signed(secret, now, body)), body).await, 200);
    }
    assert_eq!(shop.kept().await, 1);

    let altered = body.map(|byte| if byte == b'1' { b'2' } else { byte });
    let strange = signed("whsec_of_somebody_else_0123456789abcdef", now, &altered);
    for (what, signature, body) in [
        ("altered", Some(signed(NEW, now, body)), &altered[..]),
        ("of another account", Some(strange), &altered[..]),
        ("old", Some(signed(NEW, now - 600, &altered)), &altered[..]),
        ("unsigned", None, &altered[..]),
        ("no event", Some(signed(NEW, now, b"{}")), b"{}"),
        ("no name", Some(signed(NEW, now, NAMELESS)), NAMELESS),
        ("no JSON", Some(signed(NEW, now, b"\xff")), b"\xff"),
        ("empty", Some(signed(NEW, now, b"")), b""),
    ] {
        assert_eq!(shop.notify(signature, body).await, 400, "{what}");
    }
    let huge = vec![b' '; 1 << 20];
    assert_eq!(shop.notify(Some(signed(NEW, now, &huge)), &huge).await, 413);
    assert_eq!(shop.kept().await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_shop_without_a_secret_takes_no_notices() {
    let shop = Plan::default().roles(&[]).start().await;
    assert_eq!(shop.notify(None, b"{}").await, 404);
    shop.close().await;
}
