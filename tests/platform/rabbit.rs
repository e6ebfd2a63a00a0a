//! Publishing and reading, on a broker that is well.

use std::time::Duration;

use futures_util::future::join_all;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use stampede::platform::rabbit::{PublishError, Rabbit, RabbitError};

use super::broker::{Desk, LIMITS, PATIENCE, settings, shared, unique};

const A_MOMENT: Duration = Duration::from_millis(300);

/// Publishes `count` numbered messages, one after the other.
async fn publish(desk: &Desk, numbers: std::ops::Range<u32>) {
    let publisher = desk.rabbit.publisher();
    for n in numbers {
        publisher.publish(&desk.exchange, "in", n.to_string().as_bytes()).await.unwrap();
    }
}

/// Reads until `count` messages came: (offset, number).
async fn read(desk: &Desk, offset: i64, prefetch: u16, count: usize) -> Vec<(i64, u32)> {
    let mut reader = desk.rabbit.read_stream(&desk.stream, offset, prefetch).await.unwrap();
    let mut found = Vec::new();
    while found.len() < count {
        let batch = reader.next_batch(64, PATIENCE, Duration::ZERO).await.unwrap();
        assert!(!batch.is_empty(), "only {found:?} came");
        let number = |body: &[u8]| std::str::from_utf8(body).unwrap().parse().unwrap();
        found.extend(batch.into_iter().map(|(offset, body)| (offset, number(&body))));
    }
    found
}

#[tokio::test]
async fn a_stream_is_read_in_order_from_any_offset() {
    let desk = Desk::new().await;
    publish(&desk, 0..150).await;
    // More than the prefetch, so that credit must have been given.
    let all = read(&desk, 0, 10, 150).await;
    assert_eq!(all, (0..150).map(|n| (i64::from(n), n)).collect::<Vec<_>>());
    for from in [1, 77, 149] {
        let rest = read(&desk, from, 10, 150 - usize::try_from(from).unwrap()).await;
        assert_eq!(rest.first().unwrap().0, from, "what lies below is skipped");
    }
    // At the end, a reader waits, and hears of what comes later.
    let mut reader = desk.rabbit.read_stream(&desk.stream, 150, 10).await.unwrap();
    assert!(reader.next_batch(64, A_MOMENT, Duration::ZERO).await.unwrap().is_empty());
    publish(&desk, 150..151).await;
    let later = reader.next_batch(64, PATIENCE, Duration::ZERO).await.unwrap();
    assert_eq!(later.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [150]);
    desk.clear().await;
}

#[tokio::test]
async fn a_reader_may_begin_deep_inside_a_chunk_and_be_dropped_at_any_time() {
    let desk = Desk::new().await;
    // Sent together, many lie in one chunk; and the reader has less credit than that.
    let publisher = desk.rabbit.publisher();
    for sent in join_all((0..600).map(|_| publisher.publish(&desk.exchange, "in", b"x"))).await {
        sent.unwrap();
    }
    for from in [0, 1, 299, 598] {
        let mut reader = desk.rabbit.read_stream(&desk.stream, from, 2).await.unwrap();
        let (mut next, mut patience) = (from, 0);
        while next < 600 {
            patience = (patience + 37) % 1500;
            let reading = reader.next_batch(5, PATIENCE, Duration::ZERO);
            let limit = Duration::from_micros(patience);
            let Ok(batch) = tokio::time::timeout(limit, reading).await else { continue };
            for (offset, _) in batch.unwrap() {
                assert_eq!(offset, next);
                next += 1;
            }
        }
    }
    desk.clear().await;
}

#[tokio::test]
async fn what_no_binding_takes_is_reported_although_the_broker_confirms_it() {
    let desk = Desk::new().await;
    let publisher = desk.rabbit.publisher();
    let outcomes = join_all((0..400).map(|n| {
        let (publisher, exchange) = (publisher.clone(), desk.exchange.clone());
        let key = if n % 3 == 0 { "nowhere" } else { "in" };
        async move { (key, publisher.publish(&exchange, key, b"x").await) }
    }));
    for (key, outcome) in outcomes.await {
        match key {
            "in" => outcome.unwrap(),
            _ => assert!(matches!(outcome, Err(PublishError::Unroutable)), "{outcome:?}"),
        }
    }
    let routed = (0..400).filter(|n| n % 3 != 0).count();
    let mut reader = desk.rabbit.read_stream(&desk.stream, 0, 1000).await.unwrap();
    let mut found = 0;
    while found < routed {
        found += reader.next_batch(1000, PATIENCE, Duration::ZERO).await.unwrap().len();
    }
    assert_eq!(found, routed);
    assert!(reader.next_batch(1, A_MOMENT, Duration::ZERO).await.unwrap().is_empty());
    desk.clear().await;
}

/// The negative control: with several messages on one channel, lapin hands a returned message to
/// whichever confirm comes next. This is why each message has a channel for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_channel_an_unroutable_message_passes_for_published() {
    let desk = Desk::new().await;
    let url = shared().url;
    let connection =
        Connection::connect(url.expose(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    // A matter of timing, so it may take a few rounds.
    let mut mistaken = 0;
    for _ in 0..50 {
        let mut confirms = Vec::new();
        for n in 0..1000_u32 {
            let unroutable = n.is_multiple_of(3);
            let key = if unroutable { "nowhere" } else { "in" };
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let properties = BasicProperties::default();
            let (exchange, key) = (desk.exchange.as_str().into(), key.into());
            let confirm = channel.basic_publish(exchange, key, options, b"x", properties).await;
            confirms.push((unroutable, confirm.unwrap()));
        }
        for (unroutable, confirm) in confirms {
            let returned = confirm.await.unwrap().take_message().is_some();
            mistaken += usize::from(unroutable != returned);
        }
        if mistaken > 0 {
            break;
        }
    }
    assert!(mistaken > 0, "lapin tells them apart now: one channel would do");
    desk.clear().await;
}

#[tokio::test]
async fn a_missing_exchange_is_nowhere_and_harms_no_other_message() {
    let desk = Desk::new().await;
    let publisher = desk.rabbit.publisher();
    for _ in 0..3 {
        let outcome = publisher.publish(&unique("none"), "in", b"x").await;
        assert!(matches!(outcome, Err(PublishError::Unroutable)), "{outcome:?}");
        publish(&desk, 0..2).await;
    }
    desk.clear().await;
}

#[tokio::test]
async fn who_stops_waiting_for_a_confirm_harms_nobody() {
    let desk = Desk::new().await;
    let publisher = desk.rabbit.publisher();
    for n in 0..50_u64 {
        let patience = Duration::from_micros(n * 40);
        let dropped = publisher.publish(&desk.exchange, "nowhere", b"dropped");
        let _ = tokio::time::timeout(patience, dropped).await;
        publisher.publish(&desk.exchange, "in", b"x").await.unwrap();
    }
    desk.clear().await;
}

#[tokio::test]
async fn topology_may_be_repeated() {
    let desk = Desk::new().await;
    let (rabbit, exchange, stream) = (&desk.rabbit, &desk.exchange, &desk.stream);
    rabbit.declare_exchange(exchange).await.unwrap();
    rabbit.declare_stream(stream, &LIMITS).await.unwrap();
    rabbit.bind(stream, exchange, "in").await.unwrap();
    assert!(rabbit.exchange_exists(exchange).await.unwrap());
    assert!(rabbit.stream_exists(stream).await.unwrap());
    assert!(!rabbit.exchange_exists(&unique("none")).await.unwrap());
    assert!(!rabbit.stream_exists(&unique("none")).await.unwrap());

    rabbit.unbind(stream, exchange, "in").await.unwrap();
    rabbit.unbind(stream, exchange, "in").await.unwrap();
    rabbit.unbind(stream, exchange, "never was").await.unwrap();
    let outcome = rabbit.publisher().publish(exchange, "in", b"x").await;
    assert!(matches!(outcome, Err(PublishError::Unroutable)), "{outcome:?}");

    let mut other = LIMITS;
    other.max_bytes *= 2;
    let refused = rabbit.declare_stream(stream, &other).await;
    assert!(matches!(refused, Err(RabbitError::Refused(_))), "{refused:?}");
    let missing = rabbit.read_stream(&unique("none"), 0, 10).await.map(drop);
    assert!(matches!(missing, Err(RabbitError::NotFound(_))), "{missing:?}");
    let missing = rabbit.bind(&unique("none"), exchange, "in").await;
    assert!(matches!(missing, Err(RabbitError::NotFound(_))), "{missing:?}");
    desk.clear().await;
}

#[tokio::test]
async fn a_reader_learns_that_its_stream_was_removed() {
    let desk = Desk::new().await;
    publish(&desk, 0..1).await;
    let mut reader = desk.rabbit.read_stream(&desk.stream, 0, 10).await.unwrap();
    assert_eq!(reader.next_batch(10, PATIENCE, Duration::ZERO).await.unwrap().len(), 1);
    desk.rabbit.delete_stream(&desk.stream).await.unwrap();
    let ended = reader.next_batch(10, PATIENCE, Duration::ZERO).await;
    assert!(matches!(ended, Err(RabbitError::Unavailable(_))), "{ended:?}");
    desk.clear().await;
}

#[tokio::test]
async fn without_a_broker_calls_fail_at_once() {
    let rabbit = Rabbit::start(&settings("amqp://127.0.0.1:1/%2f")).unwrap();
    let started = std::time::Instant::now();
    assert!(!rabbit.is_connected());
    let outcome = rabbit.publisher().publish("x", "y", b"z").await;
    assert!(matches!(outcome, Err(PublishError::Unknown(_))), "{outcome:?}");
    let outcome = rabbit.declare_exchange("x").await;
    assert!(matches!(outcome, Err(RabbitError::Unavailable(_))), "{outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(1));
    let outcome = rabbit.wait_connected(A_MOMENT).await;
    assert!(matches!(outcome, Err(RabbitError::Unavailable(_))), "{outcome:?}");
    rabbit.close().await;
}
