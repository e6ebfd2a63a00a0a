//! Deliveries: signed, tried again, and never in each other's way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use stampede::shop::{
    dead_letters::Replayed,
    events::{Fact, PhaseFact},
    webhooks::queue::{self, Room},
};
use tokio::sync::Semaphore;

use super::{
    desk::{KEY, at_desk, event},
    endpoint::{Endpoint, reply},
};
use crate::harness::until;

#[tokio::test]
async fn a_delivery_is_the_event_signed_as_the_standard_has_it() {
    let endpoint = Endpoint::answering(204).await;
    at_desk(&[], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        let paid = desk.paid().await;
        desk.ask_for_deliveries(&paid).await;
        desk.ask_for_deliveries(&paid).await;
        desk.deliver().await;
        let received = endpoint.received();
        assert_eq!(received.len(), 1, "the same event twice is one delivery");
        let request = &received[0];
        assert_eq!((request.path.as_str(), request.signed_by(&KEY)), ("/hook", 1));
        assert_eq!((request.signatures(), request.signed_by(b"another key")), (1, 0));
        assert!(request.id().starts_with("msg_"));
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.headers["user-agent"].starts_with("Stampede/"));
        assert_eq!(request.json(), serde_json::to_value(&paid).unwrap());
        assert_eq!(desk.count("webhook_deliveries", "delivered").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_is_sent_what_it_asks_for() {
    let (some, all) = (Endpoint::answering(200).await, Endpoint::answering(200).await);
    at_desk(&[], |desk| async move {
        desk.endpoint_for(&some.url(), &["order.paid.v1", "order.refunded.v1"]).await;
        desk.endpoint(&all.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        let now = chrono::Utc::now();
        let ended = PhaseFact { sale: "night".parse().unwrap(), starts_at: now, ends_at: now };
        desk.ask_for_deliveries(&event(Fact::SaleEnded(ended))).await;
        desk.deliver().await;
        assert_eq!(some.received().len(), 1);
        assert_eq!(some.received()[0].json()["type"], "order.paid.v1");
        assert_eq!(all.received().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_failed_comes_again_under_the_same_id_with_a_new_signature() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let endpoint = Endpoint::start(move |_| {
        let status = if counted.fetch_add(1, Ordering::SeqCst) == 0 { 500 } else { 200 };
        Box::pin(async move { reply(status, "database\n is down") })
    })
    .await;
    at_desk(&[], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        assert_eq!(desk.count("webhook_deliveries", "waiting").await, 1);
        let said = desk.text("SELECT answer || ' ' || last_error FROM webhook_deliveries").await;
        assert_eq!(said.as_deref(), Some("500 database is down"));
        assert_eq!(desk.number("SELECT COUNT(failing_since) FROM webhook_endpoints").await, 1);
        // a second later, so that the time in the headers is another
        desk.time_passes().await;
        let first = endpoint.received()[0].clone();
        until("the clock moves on", || async {
            chrono::Utc::now().timestamp().to_string() != first.headers["webhook-timestamp"]
        })
        .await;
        desk.deliver().await;
        let second = endpoint.received()[1].clone();
        assert_eq!((first.id(), &first.body), (second.id(), &second.body));
        assert_ne!(first.headers["webhook-signature"], second.headers["webhook-signature"]);
        assert_eq!(second.signed_by(&KEY), 1);
        assert_eq!(desk.count("webhook_deliveries", "delivered").await, 1);
        assert_eq!(desk.number("SELECT COUNT(failing_since) FROM webhook_endpoints").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_dead_endpoint_is_tried_for_a_day_and_then_it_is_a_dead_letter() {
    let endpoint = Endpoint::answering(200).await;
    let url = endpoint.url();
    drop(endpoint);
    at_desk(&[], |desk| async move {
        desk.endpoint(&url).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        let mut waited = 0;
        for _ in 0..8 {
            desk.deliver().await;
            waited += desk
                .number(
                    "SELECT EXTRACT(EPOCH FROM next_try_at - clock_timestamp())::bigint
                     FROM webhook_deliveries",
                )
                .await;
            desk.time_passes().await;
        }
        assert!((79_000..108_000).contains(&waited), "about a day: {waited} s");
        assert!(desk.dead_letters().await.is_empty());
        desk.deliver().await;
        let letters = desk.dead_letters().await;
        assert_eq!((letters.len(), letters[0].source.as_str()), (1, "webhooks"));
        assert_eq!(desk.count("webhook_deliveries", "dead").await, 1);

        let endpoint = Endpoint::answering(200).await;
        desk.write(&format!("UPDATE webhook_endpoints SET url = '{}'", endpoint.url())).await;
        assert_eq!(desk.replay(&letters[0]).await, Replayed::Now);
        assert!(desk.dead_letters().await.is_empty());
        desk.deliver().await;
        assert_eq!(endpoint.received().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_slow_endpoint_delays_no_other() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let slow = Endpoint::start(move |_| {
        let held = held.clone();
        Box::pin(async move {
            held.acquire().await.unwrap().forget();
            reply(200, "")
        })
    })
    .await;
    let quick = Endpoint::answering(200).await;
    at_desk(&[("STAMPEDE_WEBHOOKS__IN_FLIGHT", "3")], |desk| async move {
        desk.endpoint(&slow.url()).await;
        desk.endpoint(&quick.url()).await;
        for _ in 0..20 {
            desk.ask_for_deliveries(&desk.paid().await).await;
        }
        let flow = desk.webhooks();
        while desk.count("webhook_deliveries", "delivered").await < 20 {
            flow.send_due().await.unwrap();
            flow.one_ended().await;
        }
        assert_eq!(quick.received().len(), 20);
        until("the slow one has its three", || async { slow.received().len() == 3 }).await;
        flow.send_due().await.unwrap();
        assert_eq!(slow.received().len(), 3, "and no more at once");
        gate.add_permits(20);
        while desk.count("webhook_deliveries", "delivered").await < 40 {
            flow.send_due().await.unwrap();
            flow.one_ended().await;
        }
        assert_eq!(slow.received().len(), 20);
        flow.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up_on() {
    let silent = Endpoint::start(|_| Box::pin(std::future::pending())).await;
    at_desk(&[("STAMPEDE_WEBHOOKS__TIMEOUT", "200ms")], |desk| async move {
        desk.endpoint(&silent.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        let said = desk.text("SELECT last_error FROM webhook_deliveries").await;
        assert_eq!(said.as_deref(), Some("no answer in time"));
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_its_beginning_only() {
    let endless = |status: u16| {
        Endpoint::start(move |_| {
            Box::pin(async move {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 9000000000\r\n\r\n");
                let mut answer = head.into_bytes();
                answer.resize(answer.len() + (32 << 20), b'x');
                answer
            })
        })
    };
    let (good, bad) = (endless(200).await, endless(503).await);
    at_desk(&[], |desk| async move {
        desk.endpoint(&good.url()).await;
        desk.endpoint(&bad.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        let began = Instant::now();
        desk.deliver().await;
        assert!(began.elapsed() < Duration::from_secs(20), "the timeout is not waited for");
        assert_eq!(desk.count("webhook_deliveries", "delivered").await, 1);
        let said = "SELECT last_error FROM webhook_deliveries WHERE status = 'waiting'";
        assert_eq!(desk.text(said).await.unwrap(), "x".repeat(200));
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inside = Endpoint::answering(200).await;
    let to = inside.url();
    let endpoint = Endpoint::start(move |_| {
        let answer = format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        Box::pin(async move { answer.into_bytes() })
    })
    .await;
    at_desk(&[], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        assert!(inside.received().is_empty());
        assert_eq!(desk.count("webhook_deliveries", "waiting").await, 1);
        assert_eq!(desk.number("SELECT answer::bigint FROM webhook_deliveries").await, 307);
    })
    .await;
}

#[tokio::test]
async fn two_senders_deliver_nothing_twice() {
    let endpoint = Endpoint::answering(200).await;
    at_desk(&[], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        for _ in 0..60 {
            desk.ask_for_deliveries(&desk.paid().await).await;
        }
        tokio::join!(desk.deliver(), desk.deliver());
        let received = endpoint.received();
        let ids: std::collections::BTreeSet<_> =
            received.iter().map(|request| request.id().to_owned()).collect();
        assert_eq!((received.len(), ids.len()), (60, 60));
    })
    .await;
}

/// The negative control: with a lease of nothing, both get the same delivery.
#[tokio::test]
async fn without_a_lease_two_senders_take_the_same_delivery() {
    at_desk(&[], |desk| async move {
        let room = [Room { endpoint: desk.endpoint("https://example.org/").await, free: 5 }];
        desk.ask_for_deliveries(&desk.paid().await).await;
        let take = || queue::take_over(&desk.pool, &room, Duration::ZERO);
        let (one, other) = (take().await.unwrap(), take().await.unwrap());
        assert_eq!(one[0].id, other[0].id);
        assert_eq!((one[0].attempt, other[0].attempt), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_sender_who_died_leaves_the_same_delivery_to_the_next() {
    let endpoint = Endpoint::answering(200).await;
    at_desk(&[], |desk| async move {
        let id = desk.endpoint(&endpoint.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        let room = [Room { endpoint: id, free: 5 }];
        let taken = queue::take_over(&desk.pool, &room, Duration::from_mins(1)).await.unwrap();
        assert_eq!(desk.webhooks().send_due().await.unwrap(), 0, "while the lease holds");
        desk.time_passes().await;
        desk.deliver().await;
        assert_eq!(endpoint.received()[0].id(), taken[0].id.to_string());
        assert_eq!(desk.number("SELECT attempt::bigint FROM webhook_deliveries").await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_was_delivered_long_ago_leaves_the_log() {
    let endpoint = Endpoint::answering(200).await;
    at_desk(&[], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        for _ in 0..2 {
            desk.ask_for_deliveries(&desk.paid().await).await;
        }
        desk.deliver().await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.write(
            "UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE id = (
                 SELECT id FROM webhook_deliveries WHERE status = 'delivered' LIMIT 1)",
        )
        .await;
        assert_eq!(desk.webhooks().forget().await.unwrap(), 1);
        assert_eq!(desk.number("SELECT COUNT(*) FROM webhook_deliveries").await, 2);
    })
    .await;
}
