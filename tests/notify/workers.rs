//! The workers of a running shop.

use stampede::{
    flows::{mailing::MailConsumer, webhook_delivery::WebhookConsumer},
    kernel::ids::{EndpointId, Ids},
    platform::outgoing::Reach,
    shop::{
        events::{Consumer, Fact, PhaseFact},
        webhooks::{self, EndpointUrl, NewEndpoint, SigningKey},
    },
    workers::Role,
};

use super::{
    desk::{KEY, event, order_fact},
    endpoint::Endpoint,
    maildev::MailDev,
    smtp::{Smtp, well},
};
use crate::harness::{Plan, SALE, Shop, free_port, until};

#[tokio::test]
async fn a_running_shop_writes_to_buyers_and_to_merchants_though_the_server_comes_late() {
    let port = free_port();
    let endpoint = Endpoint::answering(200).await;
    let shop = Plan::default()
        .with("STAMPEDE_MAIL__URL", &format!("smtp://127.0.0.1:{port}"))
        .with("STAMPEDE_MAIL__FROM", "Night Runners <shop@night.example>")
        .with("STAMPEDE_WEBHOOKS__ALLOW_PRIVATE", "true")
        .roles(&[Role::MailSender, Role::WebhookSender])
        .start()
        .await;
    happens(&shop, &endpoint).await;
    until("deliveries arrive", || async { endpoint.received().len() == 2 }).await;
    let server = MailDev::start_at(port, &[]).await;
    until("the mail arrives", || async { server.mails().await.len() == 1 }).await;
    let metrics = String::from_utf8(shop.app.metrics.render().unwrap()).unwrap();
    for shown in [
        "stampede_mails_total{kind=\"payment-failed\",outcome=\"sent\"} 1",
        "stampede_webhook_deliveries_total{outcome=\"delivered\"} 2",
        "stampede_mails_waiting",
        "stampede_webhook_deliveries_oldest_seconds",
    ] {
        assert!(metrics.contains(shown), "{shown}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_shop_leaves_in_time_though_nobody_answers_it() {
    let endpoint = Endpoint::start(|_| Box::pin(std::future::pending())).await;
    let server = Smtp::start(|command| if command == "." { None } else { well(command) }).await;
    let mut shop = Plan::default()
        .with("STAMPEDE_MAIL__URL", &server.setting())
        .with("STAMPEDE_MAIL__FROM", "Night Runners <shop@night.example>")
        .with("STAMPEDE_WEBHOOKS__ALLOW_PRIVATE", "true")
        .with("STAMPEDE_SHUTDOWN__TIMEOUT", "2s")
        .roles(&[Role::MailSender, Role::WebhookSender])
        .start()
        .await;
    happens(&shop, &endpoint).await;
    until("they are asked", || async {
        server.connections() > 0 && endpoint.received().len() == 2
    })
    .await;
    shop.stop().await;
    let attempts = sqlx::query_scalar("SELECT attempt FROM mails WHERE status = 'waiting'");
    let attempts: i32 = attempts.fetch_one(&shop.app.pool).await.unwrap();
    assert_eq!(attempts, 1, "it is sent once more when its lease is over");
    shop.close().await;
}

/// An order is declined and a sale opens, and an endpoint asks for both.
async fn happens(shop: &Shop, endpoint: &Endpoint) {
    shop.import(SALE).await;
    let order = Ids::random().order();
    sqlx::query(
        "INSERT INTO orders (id, sale_id, shopper_id, status, reason, email, shipping, currency,
                             total_minor, created_at)
         SELECT $1, id, $1, 'declined', 'card_declined', 'ada@example.org', '{}', 'EUR', 0, now()
         FROM sales",
    )
    .bind(order.0)
    .execute(&shop.app.pool)
    .await
    .unwrap();
    let hook = NewEndpoint {
        id: EndpointId(Ids::random().unique()),
        url: EndpointUrl::parse(&endpoint.url(), Reach::Anywhere).unwrap(),
        events: Vec::new(),
        key: SigningKey::new(KEY),
    };
    assert!(webhooks::store::insert(&shop.app.pool, &hook, 1).await.unwrap());

    let consumers: [&dyn Consumer; 2] =
        [&MailConsumer::new(Ids::random()), &WebhookConsumer::new(Ids::random())];
    let now = chrono::Utc::now();
    let opened = PhaseFact { sale: "run".parse().unwrap(), starts_at: now, ends_at: now };
    for fact in [
        Fact::OrderDeclined(order_fact(order, "declined", Some("card_declined"))),
        Fact::SaleOpened(opened),
    ] {
        let event = event(fact);
        let mut tx = shop.app.pool.begin().await.unwrap();
        for consumer in consumers {
            consumer.take(&mut tx, &event).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}
