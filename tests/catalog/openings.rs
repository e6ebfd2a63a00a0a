//! The rows of openings.

use std::time::Duration;

use stampede::{
    kernel::{clock::from_millis, version::Epoch},
    shop::sales::store,
};

use super::support::{BEFORE, FILE, Shop, slug};

#[tokio::test]
async fn an_epoch_is_the_time_and_always_grows() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let sale = shop.sale().await.id;
    assert_eq!(store::epoch(&shop.pool, sale, 0).await.unwrap(), Epoch(0));
    for (now, epoch) in [(1_000, 1_000), (1_000, 1_001), (500, 1_002), (2_000, 2_000)] {
        let next = store::next_epoch(&shop.pool, sale, 0, from_millis(now)).await.unwrap();
        assert_eq!(next, Epoch(epoch));
    }
    let opening = store::opening(&shop.pool, sale, 0).await.unwrap().unwrap();
    assert_eq!(opening.bound_epochs, [1_000, 1_001, 1_002, 2_000].map(Epoch));
    assert_eq!(store::opening(&shop.pool, sale, 1).await.unwrap(), None);
    shop.close().await;
}

#[tokio::test]
async fn only_the_last_keeper_says_which_epochs_are_bound() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let sale = shop.sale().await.id;
    let first = store::next_epoch(&shop.pool, sale, 0, from_millis(1)).await.unwrap();
    let second = store::next_epoch(&shop.pool, sale, 0, from_millis(1)).await.unwrap();
    for (epoch, stands) in [(first, false), (second, true)] {
        let set = store::set_bound_epochs(&shop.pool, sale, 0, epoch, &[epoch]).await.unwrap();
        assert_eq!(set, stands);
    }
    let opening = store::opening(&shop.pool, sale, 0).await.unwrap().unwrap();
    assert_eq!(opening.bound_epochs, [second]);
    shop.close().await;
}

#[tokio::test]
async fn an_older_barrier_does_not_replace_a_newer_one() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let sale = shop.sale().await.id;
    for epoch in [3, 5, 4] {
        store::set_barrier(&shop.pool, sale, 0, Epoch(epoch)).await.unwrap();
    }
    let opening = store::opening(&shop.pool, sale, 0).await.unwrap().unwrap();
    assert_eq!(opening.barrier_epoch, Epoch(5));
    shop.close().await;
}

#[tokio::test]
async fn an_epoch_read_for_share_stands_until_the_transaction_ends() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let sale = shop.sale().await.id;
    let mut tx = shop.pool.begin().await.unwrap();
    assert_eq!(store::epoch_for_share(&mut tx, sale, 0).await.unwrap(), Epoch(0));
    let mut other = shop.pool.begin().await.unwrap();
    assert_eq!(store::epoch_for_share(&mut other, sale, 0).await.unwrap(), Epoch(0));
    let opening = store::next_epoch(&shop.pool, sale, 0, from_millis(1));
    assert!(tokio::time::timeout(Duration::from_millis(100), opening).await.is_err());
    tx.commit().await.unwrap();
    other.commit().await.unwrap();
    shop.close().await;
}

#[tokio::test]
async fn sales_are_kept_until_a_while_after_their_end() {
    let shop = Shop::new().await;
    let imported = shop.import(FILE).await.unwrap();
    let end = BEFORE + 3 * 3_600_000;
    let kept = store::to_keep(&shop.pool, from_millis(end - 1)).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].slug, kept[0].bucket, kept[0].epoch), (&slug(), 0, Epoch(0)));
    assert_eq!(kept[0].revision, imported.revision);
    assert!(store::to_keep(&shop.pool, from_millis(end)).await.unwrap().is_empty());
    shop.close().await;
}
