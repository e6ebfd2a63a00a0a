//! Redis is lost with all its data.

use std::time::Duration;

use stampede::workers::Role;

use super::{another_web, blocking, crowd::Crowd, paper, wait_for};
use crate::harness::{Plan, SALE, Servers, Shop};

/// Kills Redis and starts it again, which leaves it empty.
fn empty_redis(shop: &Shop) {
    let redis = shop.servers.redis.as_ref().unwrap();
    blocking(|| {
        redis.kill();
        redis.again();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_lost_three_times_in_a_sale_and_in_the_middle_of_checkouts() {
    let servers = Servers::shared().with_own_redis();
    let shop = Plan { servers, ..Plan::default() }.start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let web = another_web(&shop).await;
    let mut crowd = Crowd::start(&shop, &[&shop.url, &web.url]);
    for round in 0..3 {
        crowd.until_promised(150).await;
        if round == 1 {
            crowd.buyers(24);
            wait_for("checkouts under way", async || {
                (open_checkouts(&shop).await >= 16).then_some(())
            })
            .await;
        }
        empty_redis(&shop);
        // open again, in an epoch that is not the one of the data that was lost
        crowd.until_promised(50).await;
    }
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    drop(web);
    shop.close().await;
}

/// What is on paper is the whole truth then, and the sale opens from it with a stream made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_the_broker_may_be_lost_together_once_the_lines_are_on_paper() {
    let servers = Servers::shared().with_own_redis().with_own_rabbit();
    let shop = Plan { servers, ..Plan::default() }.start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let crowd = Crowd::start(&shop, &[&shop.url]);
    crowd.until_promised(200).await;
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    let before = epoch(&shop).await;
    let rabbit = shop.servers.rabbit.as_ref().unwrap();
    blocking(|| {
        rabbit.kill();
        rabbit.wipe();
    });
    empty_redis(&shop);
    blocking(|| rabbit.again());
    wait_for("an opening", async || (epoch(&shop).await > before).then_some(())).await;
    paper::check(&shop, &visitors).await;
    let crowd = Crowd::start(&shop, &[&shop.url]);
    crowd.until_promised(50).await;
    let newcomers = crowd.stop().await;
    paper::check(&shop, &newcomers).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_may_be_killed_at_any_moment_of_an_opening() {
    let others: Vec<Role> =
        Role::ALL.into_iter().filter(|role| *role != Role::StockKeeper).collect();
    let servers = Servers::shared().with_own_redis();
    let shop = Plan { servers, ..Plan::default().roles(&others) }.start().await;
    let mut keeper = shop.spawn(&["work", "stock-keeper"]);
    shop.import(SALE).await;
    shop.until_open("run").await;
    let crowd = Crowd::start(&shop, &[&shop.url]);
    let mut opened = 0;
    for round in 0..7_u64 {
        crowd.until_promised(40).await;
        keeper.kill();
        empty_redis(&shop);
        // two keepers die on the way: the second one finds what the first one left
        for nth in 0..2_u64 {
            let before = epoch(&shop).await;
            keeper = shop.spawn(&["work", "stock-keeper"]);
            wait_for("an opening", async || (epoch(&shop).await > before).then_some(())).await;
            // an opening takes a fifth of a second, half of which is the barrier's delay
            tokio::time::sleep(Duration::from_millis(33 * round + 11 * nth)).await;
            keeper.kill();
            if shop.is_open("run").await {
                opened += 1;
                break;
            }
        }
        keeper = shop.spawn(&["work", "stock-keeper"]);
        shop.until_open("run").await;
    }
    tracing::info!(opened, "openings that were over before their keeper was killed");
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    shop.close().await;
    drop(keeper);
}

async fn open_checkouts(shop: &Shop) -> i64 {
    let found = sqlx::query_scalar("SELECT count(*) FROM checkouts WHERE step <> 'done'");
    found.fetch_one(&shop.app.pool).await.unwrap()
}

async fn epoch(shop: &Shop) -> i64 {
    let found = sqlx::query_scalar("SELECT max(epoch) FROM openings");
    found.fetch_one(&shop.app.pool).await.unwrap()
}
