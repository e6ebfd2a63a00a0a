//! Dead letters: one place, seen and replayed by one command.

use std::process::Output;

use stampede::{
    kernel::clock::from_millis,
    shop::dead_letters::{self, Dropped, Failure, ReplayError, Replayed, store},
};

use super::support::{Deed, Taker, count_taken, plan, shop, write};
use crate::harness::{Plan, Shop, until};

async fn keep(shop: &Shop, source: &str, payload: &[u8]) -> i64 {
    let failure = Failure::new(source, "somewhere", "it broke", payload).about(Some("ord_1"));
    match store::insert(&shop.app.pool, failure, from_millis(1_000)).await.unwrap() {
        dead_letters::Kept::New(id) => id,
        dead_letters::Kept::Known => panic!("a new one"),
    }
}

/// The real program, in the shop's database.
fn stampede(shop: &Shop, arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments: Vec<_> =
        std::iter::once("dead-letters").chain(arguments.iter().copied()).collect();
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| shop.run(&arguments));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_replayed_once_and_a_second_replay_does_nothing() {
    let all = Taker::new("all").does("BAD", Deed::Wait).shared();
    let shop = shop(plan(), &[&all]).await;
    let event = super::support::about("BAD");
    let id = keep(&shop, "events.all", &serde_json::to_vec(&event).unwrap()).await;
    let letters = shop.app.dead_letters();

    all.away.store(true, std::sync::atomic::Ordering::SeqCst);
    let failed = letters.replay(id).await.unwrap_err();
    assert!(matches!(failed, ReplayError::Failed(_)), "{failed:?}");
    let letter = store::get(&shop.app.pool, id).await.unwrap().unwrap();
    assert_eq!(letter.attempts, 2);
    assert!(letter.reason.contains("away") && letter.last_failed_at > letter.first_failed_at);

    all.away.store(false, std::sync::atomic::Ordering::SeqCst);
    // two operators at once
    let (one, two) = tokio::join!(letters.replay(id), letters.replay(id));
    let outcomes = [one.unwrap(), two.unwrap()];
    assert!(outcomes.contains(&Replayed::Now), "{outcomes:?}");
    assert!(outcomes.iter().any(|one| matches!(one, Replayed::Before(_))), "{outcomes:?}");
    assert!(matches!(letters.replay(id).await, Ok(Replayed::Before(_))));
    assert_eq!(count_taken(&shop.app.pool, "all").await, 1);
    assert_eq!(letters.drop(id, "too late").await.unwrap(), Dropped::Before);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_dropped_stays_on_record_and_is_not_replayed() {
    let all = Taker::new("all").shared();
    let shop = shop(plan(), &[&all]).await;
    let event = serde_json::to_vec(&super::support::about("CAP")).unwrap();
    let id = keep(&shop, "events.all", &event).await;
    let letters = shop.app.dead_letters();
    assert_eq!(letters.drop(id, "of no use").await.unwrap(), Dropped::Now);
    assert_eq!(letters.drop(id, "again").await.unwrap(), Dropped::Before);
    assert!(matches!(letters.replay(id).await, Ok(Replayed::Dropped(_))));
    assert_eq!(count_taken(&shop.app.pool, "all").await, 0);
    let letter = store::get(&shop.app.pool, id).await.unwrap().unwrap();
    assert_eq!(letter.drop_reason.as_deref(), Some("of no use"));
    assert!(matches!(letters.drop(id + 1, "x").await, Err(ReplayError::NotFound(_))));
    let unknown = keep(&shop, "a later version", b"x").await;
    assert!(matches!(letters.replay(unknown).await, Err(ReplayError::UnknownQueue(_))));
    letters.drop(unknown, "a test").await.unwrap();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_lists_shows_replays_and_drops() {
    let shop = Plan { web: false, ..Plan::default().roles(&[]) }.start().await;
    let (bad, other) = (keep(&shop, "cart", b"\xff").await, keep(&shop, "mails", b"{}").await);
    let (bad_id, other_id) = (bad.to_string(), other.to_string());

    let (code, printed, told) = stampede(&shop, &["list"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(printed.contains("it broke") && printed.contains("ord_1"), "{printed}");
    assert!(told.contains("cart: 1 waiting") && told.contains("mails: 1 waiting"), "{told}");
    let (_, printed, _) = stampede(&shop, &["list", "--queue", "mails"]);
    assert!(printed.contains("mails") && !printed.contains("cart"), "{printed}");
    let (code, printed, _) = stampede(&shop, &["show", &other_id]);
    assert_eq!(code, Some(0));
    for part in ["mails", "somewhere", "ord_1", "attempts      1", "1970", "it broke", "{}"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }

    let (code, _, told) = stampede(&shop, &["replay"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("--all"), "it says what is missing: {told}");
    assert_eq!(stampede(&shop, &["replay", &bad_id, "--all"]).0, Some(2));
    assert_eq!(stampede(&shop, &["replay", &bad_id, "--queue", "cart"]).0, Some(2));
    let (code, printed, told) = stampede(&shop, &["replay", "--all", "--queue", "cart"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(printed.contains("0 replayed, 1 failed again"), "{printed}");
    assert_eq!(stampede(&shop, &["show", "999"]).0, Some(1));

    assert_eq!(stampede(&shop, &["drop", &bad_id]).0, Some(2), "without a reason");
    assert_eq!(stampede(&shop, &["drop", &bad_id, &other_id, "--why", "a test"]).0, Some(0));
    let (code, _, told) = stampede(&shop, &["replay", &bad_id]);
    assert_eq!(code, Some(0));
    assert!(told.contains("nothing to do, dropped"), "{told}");
    let (_, printed, _) = stampede(&shop, &["show", &bad_id]);
    assert!(printed.contains("a test"), "{printed}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_shown_with_its_age() {
    let all = Taker::new("all").does("BAD", Deed::Refuse).shared();
    let shop = shop(plan(), &[&all]).await;
    write(&shop, ["BAD".to_owned(), "CAP".to_owned()]).await;
    let shown = async || String::from_utf8(shop.app.metrics.render().unwrap()).unwrap();
    until("the letter is shown", async || {
        shown().await.contains("stampede_dead_letters{queue=\"events.all\"} 1")
    })
    .await;
    let metrics = shown().await;
    for name in [
        "stampede_dead_letters_oldest_seconds{queue=\"events.all\"}",
        "stampede_outbox_rows 0",
        "stampede_outbox_oldest_seconds 0",
        "stampede_outbox_published_total 2",
        "stampede_outbox_relay_leads 1",
        "stampede_events_handled_total{consumer=\"all\"} 1",
        "stampede_events_parked_total{consumer=\"all\"} 1",
        "stampede_events_lag_seconds_count{consumer=\"all\"} 1",
        "stampede_events_queue_messages{consumer=\"all\"} 0",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    shop.close_with_letters(1).await;
}
