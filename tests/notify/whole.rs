//! Shoppers who buy, are refused, wait, are cancelled and refunded; and all that follows: mails read,
//! webhooks received, minutes counted.

use crate::harness::{Client, Plan, SALE, until};

use super::{endpoint::Endpoint, maildev::MailDev};

/// Takes two caps and pays for them; gives the order's id.
async fn buy(shopper: &Client, card: &str) -> String {
    assert_eq!(shopper.put("CAP", 2).await.status, 201);
    let reply = shopper.checkout("key", card).await;
    let order = reply.body["id"].as_str().or(reply.body["order"].as_str());
    order.unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

#[tokio::test]
async fn what_follows_a_purchase_arrives_once_each() {
    let (server, endpoint) = (MailDev::start().await, Endpoint::answering(204).await);
    let shop = Plan::default()
        .with("STAMPEDE_MAIL__URL", &server.setting())
        .with("STAMPEDE_MAIL__FROM", "Night Runners <shop@night.example>")
        .with("STAMPEDE_WEBHOOKS__ALLOW_PRIVATE", "true")
        .start()
        .await;
    shop.said(&["webhooks", "add", &endpoint.url()]);
    shop.import(SALE).await;
    shop.until_open("run").await;

    let (paid, declined, late) = (shop.shopper().await, shop.shopper().await, shop.shopper().await);
    let cancelled = shop.shopper().await;
    let order = buy(&paid, "card_ok").await;
    buy(&declined, "card_declined").await;
    buy(&late, "card_timeout").await;
    let waits = buy(&cancelled, "card_timeout").await;
    shop.said(&["orders", "cancel", &waits]);
    shop.said(&["orders", "refund", &order, "--line", "CAP=1", "--restock"]);
    shop.said(&["orders", "refund", &order, "--restock"]);

    let expected = [
        ("order.cancelled.v1", 1),
        ("order.declined.v1", 1),
        ("order.paid.v1", 2),
        ("order.refunded.v1", 2),
        ("sale.opened.v1", 1),
    ];
    let told = |kind: &str| {
        let received = endpoint.received();
        received.iter().filter(|request| request.json()["type"] == kind).count()
    };
    until("webhooks arrive", async || expected.iter().all(|(kind, count)| told(kind) >= *count))
        .await;
    // paid twice, refused, cancelled by the merchant, refunded twice
    until("mails arrive", async || server.mails().await.len() >= 6).await;
    let counted = "SELECT COALESCE(SUM(orders), 0)::bigint FROM sale_minutes
                   WHERE refunds + declined + orders > 0";
    until("minutes are counted", async || {
        sqlx::query_scalar::<_, i64>(counted).fetch_one(&shop.app.pool).await.unwrap() == 2
    })
    .await;

    // nothing comes twice
    let outbox = "SELECT COUNT(*) FROM outbox";
    until("everything is told", async || {
        sqlx::query_scalar::<_, i64>(outbox).fetch_one(&shop.app.pool).await.unwrap() == 0
    })
    .await;
    for (kind, count) in expected {
        assert_eq!(told(kind), count, "{kind}");
    }
    let mails = server.mails().await;
    let subjects: Vec<_> = mails.iter().map(|mail| mail["subject"].as_str().unwrap()).collect();
    assert_eq!(mails.len(), 6, "{subjects:?}");
    let refunded = mails.iter().filter(|mail| {
        let text = mail["text"].as_str().unwrap_or_default();
        text.contains("€19.50") && mail["subject"].as_str().unwrap().contains("refund")
    });
    assert_eq!(refunded.count(), 2, "{subjects:?}");
    let said = |what: &str| {
        let texts = mails.iter().filter_map(|mail| mail["text"].as_str());
        texts.filter(|text| text.contains(what)).count()
    };
    assert_eq!(said("The shop cancelled it."), 1);
    let report = shop.said(&["report", "run"]);
    assert!(report.contains("€39.00"), "{report}");
    shop.close().await;
}
