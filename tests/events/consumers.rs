//! Consumers that meet what they cannot take.

use std::sync::atomic::Ordering;

use stampede::{shop::dead_letters, workers::Role};

use super::{
    support::{
        A_MOMENT, Consuming, Deed, Taker, about, count_taken, numbered, plan, shop, taken,
        until_taken, write, write_many,
    },
    wire::Wire,
};
use crate::harness::{Plan, Servers, Shop, until};

async fn letters(shop: &Shop) -> Vec<dead_letters::DeadLetter> {
    dead_letters::store::waiting(&shop.app.pool, None, 0, 100).await.unwrap()
}

async fn until_letters(shop: &Shop, count: usize) -> Vec<dead_letters::DeadLetter> {
    until(&format!("{count} dead letters"), async || letters(shop).await.len() >= count).await;
    letters(shop).await
}

fn without(count: usize, poison: &[&str]) -> Vec<String> {
    numbered(count).into_iter().filter(|sku| !poison.contains(&sku.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_between_good_events_stops_none_of_them() {
    let all = Taker::new("all")
        .does("S00003", Deed::Refuse)
        .does("S00040", Deed::BadRow)
        .does("S00077", Deed::Panic)
        .shared();
    let other = Taker::new("other").shared();
    let shop = shop(Plan::default().roles(&[Role::OutboxRelay]), &[&all, &other]).await;
    // all of them wait when the consumer comes, so that they arrive in one batch
    write_many(&shop.app.pool, numbered(100)).await;
    shop.app.outbox.wake();
    let queue = shop.app.events.queue_of("all");
    until("the queue is full", async || {
        shop.app.rabbit.queue_depth(&queue).await.is_ok_and(|depth| depth == 100)
    })
    .await;
    let url = shop.servers.amqp_url.clone();
    Wire::to(&url).await.send(&queue, b"not even JSON").await;
    let role = Consuming::start(&shop);

    until_taken(&shop, "all", 97).await;
    until_taken(&shop, "other", 100).await;
    let letters = until_letters(&shop, 4).await;
    let poison = ["S00003", "S00040", "S00077"];
    assert_eq!(taken(&shop.app.pool, "all").await, without(100, &poison), "in order");
    assert!(letters.iter().all(|letter| letter.source == "events.all" && letter.attempts == 1));
    let subjects: Vec<_> = letters.iter().filter_map(|one| one.subject.clone()).collect();
    assert_eq!(subjects, poison.map(|sku| format!("run/{sku}")));
    for (letter, reason) in letters.iter().zip(["refused", "uuid", "panicked", "not read"]) {
        assert!(letter.reason.contains(reason), "{letter:?}");
    }
    role.stop().await;
    shop.close_with_letters(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_consumer_delays_no_other_and_its_events_are_not_given_back() {
    let stuck = Taker::new("stuck").does("S00005", Deed::Wait).shared();
    let other = Taker::new("other").shared();
    stuck.away.store(true, Ordering::SeqCst);
    let shop = shop(plan(), &[&stuck, &other]).await;
    write_many(&shop.app.pool, numbered(300)).await;
    shop.app.outbox.wake();
    until_taken(&shop, "other", 300).await;
    let tries = stuck.tries.load(Ordering::SeqCst);
    until("it tries again", async || stuck.tries.load(Ordering::SeqCst) > tries + 10).await;
    stuck.away.store(false, Ordering::SeqCst);
    until_taken(&shop, "stuck", 300).await;
    assert_eq!(taken(&shop.app.pool, "stuck").await, numbered(300));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_too_often_is_kept_before_it_is_tried_and_is_done_when_innocent() {
    let all = Taker::new("all").does("KILLER", Deed::Panic).shared();
    let shop = shop(Plan::default().roles(&[]), &[&all]).await;
    let (rabbit, events) = (&shop.app.rabbit, &shop.app.events);
    rabbit.wait_connected(crate::harness::PATIENCE).await.unwrap();
    events.declare(&shop.app.pool, rabbit, &shop.app.consumers).await.unwrap();
    let (wire, queue) = (Wire::to(&shop.servers.amqp_url).await, events.queue_of("all"));
    for sku in ["INNOCENT", "KILLER"] {
        wire.send(&queue, &serde_json::to_vec(&about(sku)).unwrap()).await;
    }
    // five processes died with both in hand, it seems
    wire.give_back(&queue, 2, 5).await;
    wire.send(&queue, &serde_json::to_vec(&about("FRESH")).unwrap()).await;
    let role = Consuming::start(&shop);
    until_taken(&shop, "all", 2).await;
    let mut found = taken(&shop.app.pool, "all").await;
    found.sort();
    assert_eq!(found, ["FRESH", "INNOCENT"]);
    let letters = until_letters(&shop, 1).await;
    assert_eq!(letters[0].subject.as_deref(), Some("run/KILLER"));
    assert!(letters[0].attempts >= 6, "{:?}", letters[0]);
    let done: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE replayed_at IS NOT NULL")
            .fetch_one(&shop.app.pool)
            .await
            .unwrap();
    assert_eq!(done, 1, "the innocent one was kept first");
    role.stop().await;
    shop.close_with_letters(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_consumers_that_are_set_run() {
    let (mine, theirs) = (Taker::new("mine").shared(), Taker::new("theirs").shared());
    let some = plan().with("STAMPEDE_EVENTS__CONSUMERS", "mine");
    let shop = shop(some, &[&mine, &theirs]).await;
    write(&shop, numbered(5)).await;
    until_taken(&shop, "mine", 5).await;
    let queue = shop.app.events.queue_of("theirs");
    until("the other's wait", async || {
        shop.app.rabbit.queue_depth(&queue).await.is_ok_and(|depth| depth == 5)
    })
    .await;
    assert_eq!(count_taken(&shop.app.pool, "theirs").await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_twice_becomes_one_dead_letter_and_stays_dropped() {
    let all = Taker::new("all").does("BAD", Deed::Refuse).shared();
    let shop = shop(plan(), &[&all]).await;
    write(&shop, ["GOOD".to_owned()]).await;
    until_taken(&shop, "all", 1).await;
    let (wire, queue) = (Wire::to(&shop.servers.amqp_url).await, shop.app.events.queue_of("all"));
    let bad = serde_json::to_vec(&about("BAD")).unwrap();
    for _ in 0..2 {
        wire.send(&queue, &bad).await;
    }
    until("both were tried", async || {
        letters(&shop).await.first().is_some_and(|letter| letter.attempts == 2)
    })
    .await;
    let letters_now = letters(&shop).await;
    assert_eq!(letters_now.len(), 1);
    assert!(letters_now[0].last_failed_at > letters_now[0].first_failed_at);
    shop.app.dead_letters().drop(letters_now[0].id, "a test").await.unwrap();
    let tries = all.tries.load(Ordering::SeqCst);
    wire.send(&queue, &bad).await;
    until("it was tried again", async || all.tries.load(Ordering::SeqCst) > tries).await;
    tokio::time::sleep(A_MOMENT).await;
    assert!(letters(&shop).await.is_empty(), "somebody had given it up");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_is_away_events_wait_and_none_becomes_a_dead_letter() {
    let all = Taker::new("all").shared();
    let servers = Servers::shared().with_own_postgres();
    let shop = shop(Plan { servers, ..plan() }, &[&all]).await;
    write(&shop, numbered(10)).await;
    until_taken(&shop, "all", 10).await;
    let postgres = shop.servers.postgres.as_ref().unwrap();
    let (wire, queue) = (Wire::to(&shop.servers.amqp_url).await, shop.app.events.queue_of("all"));
    for _ in 0..2 {
        tokio::task::block_in_place(|| postgres.kill());
        for sku in numbered(60).split_off(10) {
            wire.send(&queue, &serde_json::to_vec(&about(&sku)).unwrap()).await;
        }
        tokio::time::sleep(A_MOMENT).await;
        tokio::task::block_in_place(|| postgres.again());
    }
    until_taken(&shop, "all", 110).await;
    write(&shop, ["LAST".to_owned()]).await;
    until_taken(&shop, "all", 111).await;
    shop.close().await;
}
