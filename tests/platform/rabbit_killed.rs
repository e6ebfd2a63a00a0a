//! A broker that dies or hangs in the middle of publishing and reading.

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use stampede::platform::rabbit::{PublishError, Rabbit, StreamReader};
use tokio::time::{Instant, sleep};

use super::broker::{Desk, OwnBroker, PATIENCE};

/// What a publisher's loop saw.
#[derive(Default)]
struct Told {
    confirmed: Vec<u32>,
    unknown: usize,
}

/// Publishes number after number, each until it is confirmed, as long as `going`.
async fn keep_publishing(desk: Arc<Desk>, next: Arc<AtomicU32>, going: Arc<AtomicBool>) -> Told {
    let publisher = desk.rabbit.publisher();
    let mut told = Told::default();
    while going.load(Ordering::SeqCst) {
        let n = next.fetch_add(1, Ordering::SeqCst);
        loop {
            match publisher.publish(&desk.exchange, "in", n.to_string().as_bytes()).await {
                Ok(()) => break told.confirmed.push(n),
                Err(PublishError::Unknown(_)) => told.unknown += 1,
                // The broker is up again, and does not know or does not reach its stream yet.
                Err(PublishError::Nacked | PublishError::Unroutable) => {}
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    told
}

/// Opens a reader, for as long as the broker still opens its streams after a start.
async fn open(rabbit: &Rabbit, stream: &str, offset: i64) -> StreamReader {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rabbit.read_stream(stream, offset, 100).await {
            Ok(reader) => return reader,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Reads on until every number in `wanted` came; offsets must follow each other without gaps.
async fn read_until(desk: &Desk, wanted: &AtomicU32, losses: &AtomicU32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut next = 0;
    let mut reader = open(&desk.rabbit, &desk.stream, next).await;
    loop {
        match reader.next_batch(64, Duration::from_millis(500), Duration::ZERO).await {
            Ok(batch) if batch.is_empty() && wanted.load(Ordering::SeqCst) > 0 => {
                return found;
            }
            Ok(batch) => {
                for (offset, body) in batch {
                    assert_eq!(offset, next);
                    next += 1;
                    found.insert(std::str::from_utf8(&body).unwrap().parse().unwrap());
                }
            }
            Err(_) => {
                reader = open(&desk.rabbit, &desk.stream, next).await;
                losses.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Waits until the publishers have got on.
async fn publish_more(next: &AtomicU32) {
    let (before, started) = (next.load(Ordering::SeqCst), Instant::now());
    while next.load(Ordering::SeqCst) < before + 500 {
        assert!(started.elapsed() < PATIENCE, "nobody publishes any more");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_keeps_what_it_confirmed_and_both_sides_recover() {
    let broker = OwnBroker::start().await;
    let desk = Arc::new(Desk::at(&broker.settings()).await);
    let (next, going) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(true)));
    let publishers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(keep_publishing(Arc::clone(&desk), Arc::clone(&next), Arc::clone(&going)))
        })
        .collect();
    let (settled, losses) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let reading = tokio::spawn({
        let (desk, settled, losses) =
            (Arc::clone(&desk), Arc::clone(&settled), Arc::clone(&losses));
        async move { read_until(&desk, &settled, &losses).await }
    });

    let broker = Arc::new(broker);
    for round in 1..=2 {
        publish_more(&next).await;
        let killed = Arc::clone(&broker);
        tokio::task::spawn_blocking(move || killed.kill()).await.unwrap();
        let gone = Instant::now();
        while desk.rabbit.is_connected() {
            assert!(gone.elapsed() < Duration::from_secs(2), "the loss went unnoticed");
            sleep(Duration::from_millis(10)).await;
        }
        let started = Arc::clone(&broker);
        tokio::task::spawn_blocking(move || started.start_again()).await.unwrap();
        desk.rabbit.wait_connected(PATIENCE).await.unwrap();
        // the next kill is to meet a reader, not one that is still opening
        let back = Instant::now();
        while losses.load(Ordering::SeqCst) < round {
            assert!(back.elapsed() < PATIENCE, "the reader does not come back");
            sleep(Duration::from_millis(10)).await;
        }
    }
    publish_more(&next).await;
    going.store(false, Ordering::SeqCst);
    let mut confirmed = BTreeSet::new();
    for publisher in publishers {
        let told = publisher.await.unwrap();
        assert!(told.unknown > 0, "a publisher never heard of the losses");
        confirmed.extend(told.confirmed);
    }
    settled.store(1, Ordering::SeqCst);
    let found = reading.await.unwrap();
    let lost: Vec<_> = confirmed.difference(&found).collect();
    assert!(lost.is_empty(), "confirmed, but not in the stream: {lost:?}");
    assert!(confirmed.len() >= 1500);
    assert!(losses.load(Ordering::SeqCst) >= 2);
}

fn signal(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_is_noticed_and_taken_up_again() {
    let broker = OwnBroker::start().await;
    let mut settings = broker.settings();
    settings.heartbeat = Duration::from_secs(1);
    settings.confirm_timeout = Duration::from_millis(500);
    settings.publish_timeout = Duration::from_millis(500);
    let desk = Desk::at(&settings).await;
    let publisher = desk.rabbit.publisher();
    publisher.publish(&desk.exchange, "in", b"before").await.unwrap();

    let pid = broker.pid();
    signal("-STOP", &pid);
    let hanging = Instant::now();
    let outcome = publisher.publish(&desk.exchange, "in", b"while").await;
    assert!(matches!(outcome, Err(PublishError::Unknown(_))), "{outcome:?}");
    assert!(hanging.elapsed() < Duration::from_millis(900));
    while desk.rabbit.is_connected() {
        assert!(hanging.elapsed() < Duration::from_secs(5), "missing heartbeats went unnoticed");
        sleep(Duration::from_millis(10)).await;
    }
    signal("-CONT", &pid);
    desk.rabbit.wait_connected(PATIENCE).await.unwrap();
    publisher.publish(&desk.exchange, "in", b"after").await.unwrap();
    desk.clear().await;
}
