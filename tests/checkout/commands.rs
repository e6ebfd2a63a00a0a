//! `stampede orders` and `stampede audit`, as an operator types them.

use serde_json::Value;
use stampede::workers::Role;

use crate::harness::{Client, Plan, SALE, Shop, until};

/// The exit code and the error of a command that fails.
fn failed(shop: &Shop, arguments: &[&str]) -> (Option<i32>, String) {
    let output = shop.run(arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn bought(shopper: &Client, card: &str) -> Value {
    for (sku, quantity) in [("CAP", 2), ("RUN1-42", 1)] {
        assert_eq!(shopper.put(sku, quantity).await.status, 201);
    }
    shopper.checkout("key", card).await.body
}

#[tokio::test]
async fn an_order_is_shown_refunded_by_line_and_cancelled() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let order = bought(&shopper, "card_ok").await;
    let id = order["id"].as_str().unwrap();

    let shown = shop.said(&["orders", "show", id]);
    for part in [id, "status    paid", "€168.00", "CAP", "RUN1-42", "checkout  done"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    assert!(!shown.contains("example.org"), "no personal data:\n{shown}");

    let said = shop.said(&["orders", "refund", id, "--line", "CAP=1", "--reason", "too small"]);
    assert!(said.contains("€19.50 given back"), "{said}");
    let shown = shop.said(&["orders", "show", id]);
    assert!(shown.contains("refunded  €19.50") && shown.contains("too small"), "{shown}");
    let mine = shopper.get(&format!("/orders/{id}")).await.body;
    assert_eq!(mine["refunded_total"]["amount"], 1_950);
    assert_eq!(mine["status"], "paid");

    for (arguments, expected) in [
        (vec!["orders", "refund", id, "--line", "CAP=2"], "only 1 of CAP"),
        (vec!["orders", "refund", id, "--line", "NONE=1"], "has no NONE"),
        (vec!["orders", "show", "ord_00000000000000000000000000000000"], "there is no order"),
    ] {
        let (code, error) = failed(&shop, &arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(error.contains(expected), "{error}");
    }
    for odd in ["CAP", "CAP=0", "CAP=-1", "CAP=x", "=1"] {
        let (code, error) = failed(&shop, &["orders", "refund", id, "--line", odd]);
        assert_eq!(code, Some(2), "{odd}: {error}");
    }

    let said = shop.said(&["orders", "cancel", id]);
    assert!(said.contains("€148.50 given back"), "{said}");
    let mine = shopper.get(&format!("/orders/{id}")).await.body;
    assert_eq!(
        (&mine["status"], &mine["refunded_total"]["amount"]),
        (&"refunded".into(), &16_800.into())
    );
    // one cap was said to be damaged; the view may be a second old
    until("the units are on sale again", async || {
        let stock = shopper.get("/sales/run/stock").await.body;
        stock["CAP"]["sold"] == 1 && stock["RUN1-42"]["sold"] == 0
    })
    .await;
    let said = shop.said(&["orders", "cancel", id]);
    assert!(said.contains("refunded"), "{said}");
    let (code, error) = failed(&shop, &["orders", "refund", id]);
    assert_eq!(code, Some(1));
    assert!(error.contains("nothing is left"), "{error}");
    assert!(shop.said(&["audit"]).contains("ok: every unit"));
    shop.close().await;
}

#[tokio::test]
async fn a_pending_order_is_cancelled_and_nothing_is_charged() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let order = bought(&shopper, "card_timeout").await;
    assert_eq!(order["status"], "pending");
    let id = order["id"].as_str().unwrap();
    let said = shop.said(&["orders", "cancel", id]);
    assert!(said.contains("cancelled (cancelled_by_merchant)"), "{said}");
    let mine = shopper.get(&format!("/orders/{id}")).await.body;
    assert_eq!(mine["status"], "cancelled");
    let cart = shopper.cart().await.body;
    assert_eq!(cart["lines"].as_array().unwrap().len(), 2, "the hold is the shopper's still");
    shop.close().await;
}

#[tokio::test]
async fn what_the_audit_finds_is_named_mended_and_shown_as_a_metric() {
    let plan = Plan::default().with("STAMPEDE_AUDIT__INTERVAL", "200ms");
    let mut roles = Role::ALL.to_vec();
    roles.retain(|role| *role != Role::CheckoutResumer);
    let shop = plan.roles(&roles).start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let shopper = shop.shopper().await;
    let order = bought(&shopper, "card_declined").await;
    assert_eq!(order["code"], "payment_declined");
    let pool = &shop.app.pool;
    sqlx::query("UPDATE sandbox_payments SET status = 'authorised'").execute(pool).await.unwrap();

    let metric = "stampede_audit_payment_differences{kind=\"authorised_not_paid\"} 1";
    until("the auditor shows it", async || {
        String::from_utf8(shop.app.metrics.render().unwrap()).unwrap().contains(metric)
    })
    .await;
    let output = shop.run(&["audit"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("BREACH authorised_not_paid") && said.contains("--mend"), "{said}");
    let said = shop.said(&["audit", "--mend"]);
    assert!(said.contains("MENDED authorised_not_paid") && said.contains("voided"), "{said}");
    assert!(shop.said(&["audit", "--mend"]).contains("ok: every unit"));
    shop.close().await;
}
