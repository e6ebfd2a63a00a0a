//! What becomes of endpoints: gone, failing, rotated, and those that lead inside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use stampede::{
    platform::outgoing::Reach,
    shop::webhooks::{self, Disabled, EndpointUrl, MAX_ENDPOINTS, NewEndpoint, SigningKey},
};

use super::{
    desk::{Desk, KEY, at_desk},
    endpoint::{Endpoint, reply},
};

/// An endpoint whose answer can be changed.
async fn moody(status: u16) -> (Endpoint, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(status));
    let shared = mood.clone();
    let endpoint = Endpoint::start(move |_| {
        let status = shared.load(Ordering::SeqCst);
        Box::pin(async move { reply(status, "") })
    })
    .await;
    (endpoint, mood)
}

async fn why_disabled(desk: &Desk) -> Option<Disabled> {
    let all = webhooks::store::all(&desk.pool).await.unwrap();
    all[0].disabled.map(|(_, why)| why)
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_at_once_and_loses_nothing() {
    let (endpoint, mood) = moody(410).await;
    at_desk(&[], |desk| async move {
        let id = desk.endpoint(&endpoint.url()).await;
        for _ in 0..2 {
            desk.ask_for_deliveries(&desk.paid().await).await;
        }
        desk.deliver().await;
        assert_eq!(why_disabled(&desk).await, Some(Disabled::Gone));
        assert_eq!(desk.count("webhook_deliveries", "waiting").await, 2);
        desk.ask_for_deliveries(&desk.paid().await).await;
        assert_eq!(desk.count("webhook_deliveries", "waiting").await, 2, "nothing more is kept");

        // the merchant is told once
        let told = "SELECT COUNT(*) FROM mails WHERE kind = 'endpoint-disabled'";
        assert_eq!(desk.number(told).await, 1);
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
        let file = std::fs::read_dir(&desk.config.mail.folder).unwrap().next().unwrap().unwrap();
        let mail = std::fs::read_to_string(file.path()).unwrap();
        assert!(mail.contains("To: merchant@night.example"), "{mail}");
        assert!(mail.contains(&format!("stampede webhooks enable {id}")), "{mail}");

        mood.store(200, Ordering::SeqCst);
        assert!(webhooks::store::enable(&desk.pool, id, MAX_ENDPOINTS).await.unwrap());
        desk.deliver().await;
        assert_eq!(desk.count("webhook_deliveries", "delivered").await, 2);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_fails_for_too_long_is_disabled_and_the_merchant_is_told() {
    let (endpoint, mood) = moody(500).await;
    at_desk(&[], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        let long = "UPDATE webhook_endpoints SET failing_since = failing_since - interval '4 days'";
        for _ in 0..2 {
            desk.ask_for_deliveries(&desk.paid().await).await;
        }
        desk.deliver().await;
        desk.write(long).await;
        // one that succeeds in between, and all is well
        mood.store(200, Ordering::SeqCst);
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        mood.store(500, Ordering::SeqCst);
        desk.time_passes().await;
        desk.deliver().await;
        assert_eq!(why_disabled(&desk).await, None);

        desk.write(long).await;
        desk.time_passes().await;
        desk.deliver().await;
        assert_eq!(why_disabled(&desk).await, Some(Disabled::Failing));
        let told = "SELECT COUNT(*) FROM mails WHERE kind = 'endpoint-disabled'";
        assert_eq!(desk.number(told).await, 1);
        assert_eq!(desk.count("webhook_deliveries", "waiting").await, 2);
    })
    .await;
}

#[tokio::test]
async fn without_a_merchant_an_endpoint_is_disabled_all_the_same() {
    let endpoint = Endpoint::answering(410).await;
    at_desk(&[("STAMPEDE_MAIL__MERCHANT", "")], |desk| async move {
        desk.endpoint(&endpoint.url()).await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        assert_eq!(why_disabled(&desk).await, Some(Disabled::Gone));
        assert_eq!(desk.number("SELECT COUNT(*) FROM mails").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_old_secret_signs_beside_the_new_one_until_its_time_is_over() {
    let endpoint = Endpoint::answering(200).await;
    at_desk(&[], |desk| async move {
        let id = desk.endpoint(&endpoint.url()).await;
        let new = [9; 32];
        let key = SigningKey::new(new);
        let day = Duration::from_hours(24);
        assert!(webhooks::store::rotate(&desk.pool, id, &key, day).await.unwrap());
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        let both = &endpoint.received()[0];
        assert_eq!((both.signed_by(&new), both.signed_by(&KEY), both.signatures()), (1, 1, 2));

        desk.write("UPDATE webhook_endpoints SET previous_until = clock_timestamp()").await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        let one = &endpoint.received()[1];
        assert_eq!((one.signed_by(&new), one.signed_by(&KEY), one.signatures()), (1, 0, 1));
    })
    .await;
}

/// The setting is the shop's own: whatever stands in the table, nothing inside is spoken to.
#[tokio::test]
async fn an_address_inside_is_not_spoken_to_however_it_is_written() {
    let inside = Endpoint::answering(200).await;
    at_desk(&[("STAMPEDE_WEBHOOKS__ALLOW_PRIVATE", "false")], |desk| async move {
        let port = inside.port;
        let hosts = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "127.0.0.1.",
            "localhost",
            "LOCALHOST",
        ];
        for host in hosts {
            for scheme in ["https", "http"] {
                desk.endpoint(&format!("{scheme}://{host}:{port}/")).await;
            }
        }
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        assert!(inside.received().is_empty());
        let refused = desk
            .number(
                "SELECT COUNT(*) FROM webhook_deliveries
                 WHERE last_error = 'leads to an address that is not public'
                    OR last_error = 'expected an address that begins with https://'",
            )
            .await;
        assert_eq!(
            refused,
            2 * 9,
            "{:?}",
            desk.text("SELECT string_agg(last_error, E'\\n') FROM webhook_deliveries").await
        );
        let by_name = desk
            .number(
                "SELECT COUNT(*) FROM webhook_deliveries d JOIN webhook_endpoints e
                 ON e.id = endpoint_id WHERE url LIKE 'https://localhost%'
                 AND last_error = 'leads to an address that is not public'",
            )
            .await;
        assert_eq!(by_name, 2, "a name was asked for what it stands for");
    })
    .await;
}

/// The negative control: with the guard taken out, the same requests arrive.
#[tokio::test]
async fn an_address_inside_is_spoken_to_where_that_is_allowed() {
    let inside = Endpoint::answering(200).await;
    at_desk(&[], |desk| async move {
        let port = inside.port;
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"] {
            desk.endpoint(&format!("http://{host}:{port}/")).await;
        }
        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        assert_eq!(inside.received().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn there_are_only_so_many_endpoints() {
    at_desk(&[], |desk| async move {
        let mut last = None;
        for _ in 0..MAX_ENDPOINTS {
            last = Some(desk.endpoint("https://example.org/").await);
        }
        let one_more = NewEndpoint {
            id: stampede::kernel::ids::EndpointId(uuid::Uuid::new_v4()),
            url: EndpointUrl::parse("https://example.org/", Reach::Public).unwrap(),
            events: Vec::new(),
            key: SigningKey::new(KEY),
        };
        let add = || webhooks::store::insert(&desk.pool, &one_more, MAX_ENDPOINTS);
        assert!(!add().await.unwrap());
        let last = last.unwrap();
        assert!(webhooks::store::disable(&desk.pool, last, Disabled::Asked).await.unwrap());
        assert!(add().await.unwrap());
        assert!(!webhooks::store::enable(&desk.pool, last, MAX_ENDPOINTS).await.unwrap());
    })
    .await;
}
