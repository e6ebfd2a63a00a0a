//! Publishing bites in order on one channel.

use std::time::{Duration, Instant};

use stampede::platform::rabbit::{Outgoing, PublishError};

use super::broker::{Desk, PATIENCE};

const A_MOMENT: Duration = Duration::from_millis(300);

fn bite<'a>(keys: &'a [&'a str], mandatory: bool) -> Vec<Outgoing<'a>> {
    (0_i64..).zip(keys).map(|(id, key)| Outgoing { id, key, body: b"x", mandatory }).collect()
}

/// How many messages the stream holds, counted until there are enough or none comes.
async fn found(desk: &Desk, wanted: usize) -> usize {
    let mut reader = desk.rabbit.read_stream(&desk.stream, 0, 100).await.unwrap();
    let mut found = 0;
    while found < wanted {
        let batch = reader.next_batch(100, PATIENCE, Duration::ZERO).await.unwrap();
        assert!(!batch.is_empty(), "only {found} of {wanted}");
        found += batch.len();
    }
    found + reader.next_batch(100, A_MOMENT, A_MOMENT).await.unwrap().len()
}

#[tokio::test]
async fn a_bite_counts_up_to_the_first_message_that_came_back() {
    let desk = Desk::new().await;
    let mut pipeline = desk.rabbit.pipeline();
    let good = pipeline.publish(&desk.exchange, &bite(&["in"; 200], true)).await;
    assert!(good.confirmed == 200 && good.stopped.is_none(), "{good:?}");
    for place in [0, 1, 99, 198, 199] {
        let mut keys = ["in"; 200];
        keys[place] = "nowhere";
        let stopped = pipeline.publish(&desk.exchange, &bite(&keys, true)).await;
        assert_eq!(stopped.confirmed, place);
        assert!(matches!(stopped.stopped, Some(PublishError::Unroutable)), "{stopped:?}");
        // nothing of it is mixed up with what follows
        let good = pipeline.publish(&desk.exchange, &bite(&["in"; 20], true)).await;
        assert!(good.confirmed == 20 && good.stopped.is_none(), "{good:?}");
    }
    let all = 200 + 5 * 199 + 5 * 20;
    assert_eq!(found(&desk, all).await, all);
    desk.clear().await;
}

#[tokio::test]
async fn what_need_not_be_routed_is_no_fault_and_a_missing_exchange_is() {
    let desk = Desk::new().await;
    let mut pipeline = desk.rabbit.pipeline();
    let nobody = pipeline.publish(&desk.exchange, &bite(&["in", "nowhere", "in"], false)).await;
    assert!(nobody.confirmed == 3 && nobody.stopped.is_none(), "{nobody:?}");
    let missing = pipeline.publish("no such exchange", &bite(&["in"; 50], true)).await;
    assert!(missing.confirmed == 0 && missing.stopped.is_some(), "{missing:?}");
    // it cost the channel, and the connection too when more was on its way
    let began = Instant::now();
    while pipeline.publish(&desk.exchange, &bite(&["in"; 50], true)).await.confirmed < 50 {
        assert!(began.elapsed() < PATIENCE, "it does not go on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    desk.rabbit.wait_connected(PATIENCE).await.unwrap();
    desk.clear().await;
}
