//! Processes that are killed.

use std::time::Duration;

use stampede::workers::Role;

use super::{another_web, crowd::Crowd, paper, wait_for};
use crate::harness::{Plan, SALE, Shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_process_that_is_killed_breaks_no_promise() {
    let shop = Shop::open().await;
    let mut webs = [another_web(&shop).await, another_web(&shop).await];
    let crowd = Crowd::start(&shop, &[&webs[0].url, &webs[1].url]);
    for round in 0..6 {
        crowd.until_promised(60).await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        let dies = usize::try_from(round).unwrap() % 2;
        webs[dies].kill();
        crowd.until_promised(40).await;
        webs[dies] = another_web(&shop).await;
        crowd.doors.set(&[&webs[0].url, &webs[1].url]);
    }
    crowd.until_promised(60).await;
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    drop(webs);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_is_killed_around_its_commits_loses_no_line_and_takes_none_twice() {
    let others: Vec<Role> =
        Role::ALL.into_iter().filter(|role| *role != Role::CartWriter).collect();
    let shop = Plan::default().roles(&others).start().await;
    let first = shop.spawn(&["work", "cart-writer"]);
    shop.import(SALE).await;
    shop.until_open("run").await;
    drop(first);

    let crowd = Crowd::start(&shop, &[&shop.url]);
    for round in 0..12_u64 {
        let before = next_offset(&shop).await;
        let mut writer = shop.spawn(&["work", "cart-writer"]);
        wait_for("a commit of the writer", async || {
            (next_offset(&shop).await > before).then_some(())
        })
        .await;
        // somewhere between this commit, the next one, and the one after it
        tokio::time::sleep(Duration::from_micros(1_700 * round)).await;
        writer.kill();
    }
    crowd.until_promised(50).await;
    let visitors = crowd.stop().await;
    let writers = [shop.spawn(&["work", "cart-writer"]), shop.spawn(&["work", "cart-writer"])];
    paper::check(&shop, &visitors).await;
    drop(writers);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_may_be_killed_and_come_back() {
    let shop = Plan::default().roles(&[]).start().await;
    shop.import(SALE).await;
    let mut workers = shop.spawn(&["work"]);
    shop.until_open("run").await;
    let mut crowd = Crowd::start(&shop, &[&shop.url]);
    for round in 0..4_u64 {
        crowd.until_promised(50).await;
        crowd.buyers(4);
        tokio::time::sleep(Duration::from_millis(110 * round)).await;
        workers.kill();
        // carts and checkouts need none of them
        crowd.until_promised(50).await;
        workers = shop.spawn(&["work"]);
    }
    crowd.until_promised(50).await;
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    shop.close().await;
    drop(workers);
}

async fn next_offset(shop: &Shop) -> i64 {
    let found = sqlx::query_scalar("SELECT coalesce(max(next_offset), 0) FROM cart_streams");
    found.fetch_one(&shop.app.pool).await.unwrap()
}
