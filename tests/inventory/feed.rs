//! What followers of the journal know.

use std::time::{Duration, Instant};

use stampede::{
    kernel::{clock::from_millis, version::Epoch},
    shop::inventory::{Feed, Holds, StockView},
};
use tokio_util::sync::CancellationToken;

use super::support::*;

/// Waits until the view is as expected.
async fn until(feed: &Feed, shop: &Shop, expected: impl Fn(Option<&StockView>) -> bool) {
    let began = Instant::now();
    while !expected(feed.view(&shop.bucket).as_deref()) {
        let view = feed.view(&shop.bucket);
        assert!(began.elapsed() < Duration::from_secs(20), "the view is {view:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn available(view: Option<&StockView>) -> Option<i64> {
    Some(view?.units[&sku("A")].available)
}

#[tokio::test]
async fn a_view_follows_the_stock_and_is_gone_while_it_is_closed() {
    let server = Server::start().await;
    let shop = Shop::at(&server.url, scripts());
    let (feed, end) = (Feed::new(shop.inventory.clone()), CancellationToken::new());
    feed.follow(shop.bucket.clone());
    let task = tokio::spawn({
        let (feed, end) = (feed.clone(), end.clone());
        async move { feed.run(end).await }
    });
    assert_eq!(feed.view(&shop.bucket), None);

    shop.set_now(START).await;
    shop.reopen(Epoch(1), &terms(&[("A", 100), ("B", 1)]), &[]).await;
    until(&feed, &shop, |view| available(view) == Some(100)).await;
    for who in 1..=50 {
        shop.take(shopper(who), "A", 1).await;
    }
    until(&feed, &shop, |view| available(view) == Some(50)).await;
    let view = feed.view(&shop.bucket).unwrap();
    let snapshot = shop.inventory.snapshot(&shop.bucket).await.unwrap().unwrap();
    assert_eq!((view.epoch, view.seq), (snapshot.epoch, snapshot.seq));
    assert_eq!(*view.units, snapshot.units);

    // It stays young while nothing happens.
    until(&feed, &shop, |later| later.is_some_and(|l| l.as_of > view.as_of)).await;

    // Deleted on a living server, which leaves no entry in any journal.
    shop.wipe().await;
    until(&feed, &shop, |view| view.is_none()).await;
    shop.reopen(Epoch(2), &terms(&[("A", 7)]), &[]).await;
    until(&feed, &shop, |view| available(view) == Some(7)).await;
    assert_eq!(feed.view(&shop.bucket).unwrap().epoch, Epoch(2));

    // While Redis is away the last view grows old.
    drop(server);
    let last = feed.view(&shop.bucket).unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(feed.view(&shop.bucket).unwrap().units, last.units);
    end.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_follower_that_fell_behind_reads_the_claims() {
    let shop = Shop::open(&[("A", 100_000)]).await;
    let mut holds = Holds::new(shop.inventory.clone(), shop.bucket.clone());
    let end = from_millis(START + HOLD);
    assert_eq!(holds.catch_up().await.unwrap(), Some(Epoch(1)));
    assert!(holds.due(end, 10).is_empty());

    shop.take(shopper(1), "A", 1).await;
    holds.catch_up().await.unwrap();
    assert!(holds.due(from_millis(START + HOLD - 1), 10).is_empty());
    assert_eq!(holds.due(end, 10), [shopper(1)]);

    // More than the journal keeps.
    shop.take(shopper(2), "A", 1).await;
    let _: i64 = shop.ask("XTRIM", "journal", &["MAXLEN", "0"]).await;
    shop.take(shopper(3), "A", 1).await;
    holds.catch_up().await.unwrap();
    let mut due = holds.due(end, 10);
    due.sort();
    assert_eq!(due, [shopper(1), shopper(2), shopper(3)]);

    holds.later(end, shopper(3));
    holds.later(end, shopper(2));
    assert_eq!(holds.due(end, 1).len(), 1);
    assert_eq!(holds.due(end, 10).len(), 1);
    shop.wipe().await;
    assert_eq!(holds.catch_up().await.unwrap(), None);
}
